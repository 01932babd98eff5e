package upgrade

import (
	"bytes"
	"errors"
	"fmt"
	"go/format"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// change is a file of the service before and after.
type change struct {
	file          string
	before, after []byte
}

// apply replaces identifiers in memory.
func (u *uses) apply() ([]change, error) {
	var changes []change
	for _, file := range slices.Sorted(maps.Keys(u.edits)) {
		before, err := os.ReadFile(file) //nolint:gosec // the module's own
		if err != nil {
			return nil, fmt.Errorf("read a file of the module: %w", err)
		}
		after, err := replace(before, u.edits[file])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", u.relative(file), err)
		}
		if formatted, err := format.Source(before); err == nil && bytes.Equal(formatted, before) {
			if after, err = format.Source(after); err != nil {
				return nil, fmt.Errorf("%s: format: %w", u.relative(file), err)
			}
		}
		changes = append(changes, change{file, before, after})
	}
	return changes, nil
}

func replace(text []byte, edits map[int]edit) ([]byte, error) {
	var out []byte
	end := 0
	for _, offset := range slices.Sorted(maps.Keys(edits)) {
		e := edits[offset]
		if offset < end || !bytes.HasPrefix(text[min(offset, len(text)):], []byte(e.old)) {
			return nil, errors.New("the file was changed meanwhile; nothing was changed, so call it again")
		}
		out = append(append(out, text[end:offset]...), e.now...)
		end = offset + len(e.old)
	}
	return append(out, text[end:]...), nil
}

// write writes all files or none. New contents are beside each file before the first is replaced.
func write(changes []change) (err error) {
	done := 0
	made := make([]string, len(changes))
	defer func() {
		for _, name := range made[done:] {
			if name != "" {
				err = errors.Join(err, os.Remove(name))
			}
		}
		if err == nil {
			return
		}
		for _, c := range changes[:done] {
			err = errors.Join(err, os.WriteFile(c.file, c.before, 0o600)) // it is there and keeps its mode
		}
		err = fmt.Errorf("nothing was changed: %w", err)
	}()
	for i, c := range changes {
		if made[i], err = beside(c); err != nil {
			return err
		}
	}
	for i, c := range changes {
		if err := os.Rename(made[i], c.file); err != nil {
			return err
		}
		done = i + 1
	}
	return nil
}

// beside writes a file's new contents into a new file of the same folder, with the same mode.
func beside(c change) (name string, err error) {
	info, err := os.Stat(c.file)
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(c.file), "."+filepath.Base(c.file)+".")
	if err != nil {
		return "", err
	}
	_, err = f.Write(c.after)
	return f.Name(), errors.Join(err, f.Chmod(info.Mode().Perm()), f.Close())
}
