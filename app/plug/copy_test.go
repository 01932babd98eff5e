package main_test

import (
	"io/fs"
	"path"
	"slices"
)

// only is a file system without some folders.
type only struct {
	fs.FS

	without []string
}

// ReadDir implements fs.ReadDirFS.
func (o only) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(o.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		return slices.Contains(o.without, path.Join(name, e.Name())) || !e.IsDir() && !e.Type().IsRegular()
	}), err
}
