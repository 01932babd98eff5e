package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/gofrs/flock"
	"go.uber.org/zap"

	"plugboard/infra/database/internal/contract"
)

// The permissions of what is made here: a database is its owner's alone, whatever the umask says.
const (
	fileMode   fs.FileMode = 0o600
	folderMode fs.FileMode = 0o700
)

// dbFile is the file of a SQLite database. The owning process locks the file before SQLite opens it, and unlocks it after SQLite has
// closed it. Nothing else in that process may open the file: SQLite's own locks belong to the process, and closing any descriptor of
// the file ends them.
type dbFile struct {
	// configured is the file's path as in the setting. path is where that led at the start: absolute, without symbolic links.
	configured, path string
	// newBecause says why the database is new; "" if there was one before.
	newBecause string
	logger     *zap.Logger
	// health is told of commits and failures; nil if another process owns the file.
	health contract.Health

	// lockFile is the lock on FILE.lock, which earlier versions of the service take. Nothing is written into that file.
	lockFile *flock.Flock
	// own is the locked descriptor of the file. It is nil on systems where this lock and SQLite's would exclude each other.
	own *os.File

	// changes counts what may have changed the database; see [Database.Changes].
	changes atomic.Uint64

	expected atomic.Pointer[[]expectedFile]
	mu       sync.Mutex // guards what follows
	// problem is the loss that has been logged; empty while all files are in their place.
	problem string
	// onLoss saves the acknowledged writes when a file is lost; nil while the database is not open. It runs in a goroutine: cancel ends
	// the goroutine, and saving waits for it.
	onLoss func(ctx context.Context)
	saving sync.WaitGroup
	cancel context.CancelFunc
}

// takeFile makes the folder and the file where they are missing, and locks the file for this process.
func takeFile(named string, logger *zap.Logger) (*dbFile, error) {
	path, err := realPath(named)
	if err != nil {
		return nil, err
	}
	f := &dbFile{configured: named, path: path, logger: logger}
	for _, step := range []func() error{f.takeLockFile, f.classify, f.lockItself, f.restrictModes} {
		if err := step(); err != nil {
			return nil, errors.Join(err, f.release())
		}
	}
	return f, nil
}

// takeLockFile takes the lock of earlier versions, so that two versions never serve at the same time. It also turns away a second
// opener in this process before that one touches the database's file.
func (f *dbFile) takeLockFile() error {
	path := f.path + ".lock"
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is %s instead of a file; remove it", path, kindOf(info))
	}
	lock := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR|noFollow), flock.SetPermissions(fileMode))
	taken, err := lock.TryLock()
	switch {
	case err != nil:
		return fmt.Errorf("lock %s: %w", path, explainFile(err))
	case !taken:
		info, _ := os.Lstat(path) // only for the message
		return errTaken(info)
	}
	f.lockFile = lock
	return nil
}

// classify finds out whether the database is new or was there before, and fails if only its -wal file is left. It opens no file.
func (f *dbFile) classify() error {
	for _, path := range f.companions() {
		if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
			return fmt.Errorf("%s is %s instead of a file; remove it", path, kindOf(info))
		}
	}
	info, err := os.Lstat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.newBecause = "there was no file"
	case err != nil:
		return bare(err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("it is %s instead of a file", kindOf(info))
	case info.Size() == 0:
		f.newBecause = "the file was empty"
	default:
		return nil
	}
	if wal, err := os.Lstat(f.path + "-wal"); err == nil && wal.Size() > 0 {
		return fmt.Errorf("%s, but %s-wal holds the last writes of a database that was here; put that database back, or move "+
			"the -wal file away to begin with a new one", f.newBecause, f.path)
	}
	return nil
}

// companions are the files that SQLite keeps beside the database.
func (f *dbFile) companions() []string {
	return []string{f.path + "-wal", f.path + "-shm", f.path + "-journal"}
}

// lockItself makes the file if it is missing, and locks it.
func (f *dbFile) lockItself() error {
	own, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE|noFollow, fileMode)
	if err != nil {
		return explainFile(err)
	}
	if !locksItself {
		return own.Close() // this ends no locks, as SQLite holds none yet
	}
	f.own = own
	opened, err := own.Stat()
	if err != nil {
		return bare(err)
	}
	if taken, err := lockDescriptor(own); err != nil {
		return fmt.Errorf("lock it: %w", err)
	} else if !taken {
		return errTaken(opened)
	}
	if there, err := os.Lstat(f.path); err != nil || !os.SameFile(there, opened) {
		return errors.New("another program replaced it while it was being opened; start again")
	}
	if n := linksOf(opened); n > 1 {
		f.logger.Warn("the database's file has more than one name (hard links): a program that opens it by another name "+
			"does not find its -wal file, and damages it; remove the other names",
			zap.String("file", f.path), zap.Uint64("names", n))
	}
	return nil
}

// restrictModes takes away the rights of other users. SQLite gives new files the rights of the database's file.
func (f *dbFile) restrictModes() error {
	for _, path := range append(f.companions(), f.path, f.path+".lock") {
		info, err := os.Lstat(path)
		if err != nil || info.Mode().Perm() == fileMode {
			continue
		}
		open := info.Mode().Perm()&^fileMode != 0
		if err := os.Chmod(path, fileMode); err != nil && open {
			f.logger.Warn("other users have rights on a file of the database, and removing the rights failed",
				zap.String("file", path), zap.Stringer("mode", info.Mode().Perm()), zap.Error(bare(err)))
		} else if open {
			f.logger.Info("other users had rights on a file of the database; the rights were removed",
				zap.String("file", path), zap.Stringer("mode_before", info.Mode().Perm()))
		}
	}
	return nil
}

// release unlocks the file. SQLite must have closed it.
func (f *dbFile) release() error {
	var errs []error
	if f.own != nil {
		errs = append(errs, unlockDescriptor(f.own), f.own.Close())
	}
	if f.lockFile != nil {
		errs = append(errs, f.lockFile.Unlock())
	}
	return errors.Join(errs...)
}

// errTaken is the error for a file that another process owns. locked is the file with the lock.
func errTaken(locked fs.FileInfo) error {
	who := ""
	if pid := lockHolder(locked); pid != "" {
		who = " (pid " + pid + ")"
	}
	return fmt.Errorf("another process%s has it open; a SQLite file belongs to one process at a time, "+
		"so stop the other one or use Postgres", who)
}

// realPath makes file's folder if it is missing, and follows symbolic links.
func realPath(file string) (string, error) {
	folder := filepath.Dir(file)
	if err := makeFolder(folder); err != nil {
		return "", fmt.Errorf("create folder %s: %w", folder, bare(err))
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return "", errors.New("it is a folder; name a file in it")
	}
	path, err := filepath.EvalSymlinks(file)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(file); err == nil {
			return "", errors.New("it is a symbolic link that leads nowhere; make the file it names, or remove the link")
		}
		if folder, err = filepath.EvalSymlinks(folder); err == nil {
			path = filepath.Join(folder, filepath.Base(file))
		}
	}
	if err != nil {
		return "", bare(err)
	}
	return filepath.Abs(path)
}

// makeFolder makes a folder for the owner only. An existing folder is left as it is.
func makeFolder(folder string) error {
	if info, err := os.Stat(folder); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(folder, folderMode); err != nil {
		return err
	}
	return os.Chmod(folder, folderMode) // the umask may have taken rights of the owner
}

// kindOf names the thing that is where a file should be.
func kindOf(info fs.FileInfo) string {
	switch mode := info.Mode(); {
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode.IsDir():
		return "a folder"
	default:
		return "a device, a pipe or a socket"
	}
}
