package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"modernc.org/sqlite"
)

// backupStep is how many pages are copied at a time. A copy can be cancelled between two steps.
const backupStep = 1024

// backuper is what modernc.org/sqlite's connection has for copies.
type backuper interface {
	NewBackup(destination string) (*sqlite.Backup, error)
}

// Backup copies the database into a new file. The copy shows one moment, whatever is written meanwhile, and nobody waits for it.
// Until it is done the write-ahead log may grow, because it must keep what the copy still reads. The copy is checked and on the disk
// before it gets its name. No file of that name may exist. progress is called after each step, in bytes. When ctx ends, or on any
// error, nothing is left behind.
func (d *Database) Backup(ctx context.Context, to string, progress func(done, total int64)) (size int64, err error) {
	size, err = d.backUp(ctx, to, progress)
	switch {
	case err == nil:
		return size, nil
	case ctx.Err() != nil:
		return 0, fmt.Errorf("back up database to %s: cancelled; nothing is left of the copy: %w", to, context.Cause(ctx))
	default:
		return 0, fmt.Errorf("back up database to %s: %w", to, explainOpen(err))
	}
}

func (d *Database) backUp(ctx context.Context, to string, progress func(done, total int64)) (size int64, err error) {
	if err := mayBackUpTo(d.file, to); err != nil {
		return 0, err
	}
	partial, err := newPartial(to)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, removePartial(partial)) }()
	if err := copyPages(ctx, d.Reader, partial, progress); err != nil {
		return 0, err
	}
	if err := checkCopy(ctx, partial); err != nil {
		return 0, err
	}
	if size, err = syncFile(partial); err != nil {
		return 0, err
	}
	return size, place(partial, to)
}

// mayBackUpTo refuses the name of an existing file, and the names of the database's own files.
func mayBackUpTo(file *dbFile, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return errExists
	} else if !errors.Is(err, fs.ErrNotExist) {
		return bare(err)
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(to))
	if err != nil {
		return fmt.Errorf("there is no folder %s", filepath.Dir(to))
	}
	path, err := filepath.Abs(filepath.Join(folder, filepath.Base(to)))
	if err != nil {
		return err
	}
	if slices.Contains(append(file.companions(), file.path+".lock"), path) {
		return errors.New("this is the name of a file that belongs to the database; choose another")
	}
	return nil
}

var errExists = errors.New("there is a file already, and a copy never overwrites one; choose another name")

// newPartial makes a file in the same folder, for the copy until it is complete.
func newPartial(to string) (path string, err error) {
	f, err := os.CreateTemp(filepath.Dir(to), "."+filepath.Base(to)+".*.partial")
	if err != nil {
		return "", explainFile(err)
	}
	return f.Name(), errors.Join(f.Chmod(fileMode), f.Close())
}

// removePartial removes the file and the files that SQLite has left beside it.
func removePartial(path string) error {
	var errs []error
	for _, suffix := range []string{"", "-journal", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// copyPages copies the database as it is now.
func copyPages(ctx context.Context, reader *sql.DB, to string, progress func(done, total int64)) error {
	return onConnection(ctx, reader, func(conn *connection) (err error) {
		from, ok := conn.rawConn.(backuper)
		if !ok {
			return errors.New("modernc.org/sqlite has changed: it copies no databases")
		}
		// The copy runs in this transaction. Without it, each commit of the service would make the copy start again.
		tx, err := conn.rawConn.BeginTx(ctx, driver.TxOptions{ReadOnly: true})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, tx.Rollback()) }()
		pageSize, err := readSize(ctx, conn)
		if err != nil {
			return err
		}
		backup, err := from.NewBackup(fileURI(to, url.Values{"mode": {"rw"}}))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, backup.Finish()) }()
		for more := true; more; {
			if err := ctx.Err(); err != nil {
				return err
			}
			if more, err = backup.Step(backupStep); err != nil {
				return err
			}
			total := int64(backup.PageCount())
			progress((total-int64(backup.Remaining()))*pageSize, total*pageSize)
		}
		return nil
	})
}

// readSize returns the size of a page. It also reads the first page, since a transaction begins at its first read.
func readSize(ctx context.Context, conn *connection) (int64, error) {
	if _, err := conn.pragma(ctx, "page_count"); err != nil {
		return 0, err
	}
	size, err := conn.pragma(ctx, "page_size")
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(size, 10, 64)
}

// checkCopy looks for damage in the copy, and turns off its write-ahead log so that the copy is one file.
func checkCopy(ctx context.Context, path string) (err error) {
	copied, err := sql.Open("sqlite", fileURI(path, url.Values{"mode": {"rw"}, "_pragma": {"journal_mode(delete)"}}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, copied.Close()) }()
	var found string
	if err := copied.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found); err != nil {
		return fmt.Errorf("check the copy: %w", err)
	}
	if found != "ok" {
		return fmt.Errorf("the copy is damaged, so the database must be damaged too: %s", found)
	}
	return nil
}

// syncFile writes the file to the disk and returns its size.
func syncFile(path string) (size int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // the path is ours
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), f.Sync()
}

// place gives the copy its name, unless a file of that name exists.
func place(partial, to string) error {
	if err := os.Link(partial, to); errors.Is(err, fs.ErrExist) {
		return errExists
	} else if err != nil {
		return fmt.Errorf("give the copy its name, for which the file system must support hard links: %w", err)
	}
	folder, err := os.Open(filepath.Dir(to))
	if err != nil {
		return bare(err)
	}
	return errors.Join(folder.Sync(), folder.Close())
}
