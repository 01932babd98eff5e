package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"
)

// confirmAfter is the age at which a check of the files is too old to acknowledge a commit. The promise: once the files have been gone for
// 100 ms, no commit is acknowledged.
const confirmAfter = 50 * time.Millisecond

// savingLimit bounds the time for saving after a loss.
const savingLimit = 30 * time.Second

// expectedFile is an open file that must stay at its path.
type expectedFile struct {
	path string
	stat func(path string) (fs.FileInfo, error)
	open fs.FileInfo // the file that was opened
}

// LossError says that a file of the database is not in its place any more. It is the error of commits, of statements that write outside a
// transaction, of new connections, and of [Database.Check].
type LossError struct{ path, problem string }

// Error implements error.
func (e *LossError) Error() string {
	return fmt.Sprintf("%s is not the file that the database was opened with: %s", e.path, e.problem)
}

// expectFiles remembers the files as they are, once SQLite has opened them all.
func (f *dbFile) expectFiles() error {
	files := []expectedFile{{path: f.path, stat: os.Lstat}, {path: f.path + "-wal", stat: os.Lstat}, {path: f.path + "-shm", stat: os.Lstat}}
	if named, err := filepath.Abs(f.configured); err != nil || named != f.path {
		files = append(files, expectedFile{path: f.configured, stat: os.Stat}) // a link that somebody may point elsewhere
	}
	for i := range files {
		info, err := files[i].stat(files[i].path)
		if err != nil {
			return fmt.Errorf("look at %s: %w", files[i].path, bare(err))
		}
		files[i].open = info
	}
	f.expected.Store(&files)
	return f.check()
}

// check returns an error unless the open files are still the files at their paths. SQLite itself does not notice a lost file: writes
// would be acknowledged and then lost with the process. Only the owner checks; in other processes, and before the files are open,
// check returns nil.
func (f *dbFile) check() error {
	files := f.expected.Load()
	if files == nil {
		return nil
	}
	for _, w := range *files {
		if info, err := w.stat(w.path); err != nil || !os.SameFile(info, w.open) {
			return f.reportMissing(w.path, err)
		}
	}
	f.reportBack()
	return nil
}

// confirm checks the files after a commit, before the commit is acknowledged. It trusts the last check, at the given time, if that
// is recent enough.
func (f *dbFile) confirm(checked time.Time) error {
	if time.Since(checked) < confirmAfter {
		return nil
	}
	return f.check()
}

// reportMissing logs once that a file is gone, and starts to save the acknowledged writes.
func (f *dbFile) reportMissing(path string, err error) error {
	lost := &LossError{path: path, problem: "another file is in its place"}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		lost.problem = "it was moved or deleted"
	case err != nil:
		lost.problem = bare(err).Error()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.problem == lost.Error() {
		return lost
	}
	first := f.problem == ""
	f.problem = lost.Error()
	f.logger.Error("a file of the database is not in its place: until it is back, writes fail and the service is not ready",
		zap.Error(lost), zap.String("advice", f.advice(path)))
	if first {
		f.startSaving()
	}
	return lost
}

func (f *dbFile) setOnLoss(save func(ctx context.Context)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.onLoss = save
}

// startSaving runs onLoss in a goroutine, unless it runs already. Its caller holds the mutex.
func (f *dbFile) startSaving() {
	if f.onLoss == nil || f.cancel != nil {
		return
	}
	save := f.onLoss
	ctx, cancel := context.WithTimeout(context.Background(), savingLimit)
	f.cancel = cancel
	f.saving.Go(func() {
		save(ctx)
		f.mu.Lock()
		defer f.mu.Unlock()
		cancel()
		f.cancel = nil
	})
}

// advice says what an operator can do about a lost file.
func (f *dbFile) advice(path string) string {
	if path == f.path+"-wal" || path == f.path+"-shm" {
		return "restart the service; what it has acknowledged is being saved in the database's file"
	}
	if f.own != nil {
		if info, err := f.own.Stat(); err == nil && linksOf(info) == 0 {
			return fmt.Sprintf("it was deleted, and is lost when this process ends: wait until this log says 'all acknowledged writes are saved', copy "+
				"/proc/%d/fd/%d to a safe place, stop the service, and put the copy in the file's place", os.Getpid(), f.own.Fd())
		}
	}
	return "move it back; or stop the service, and start it with the file's new path"
}

// reportBack logs that the files are back.
func (f *dbFile) reportBack() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.problem != "" {
		f.problem = ""
		f.logger.Info("the database's files are back in their place; writes go on", zap.String("file", f.path))
	}
}

// endSaving stops the saving that a loss has started, and prevents further ones.
func (f *dbFile) endSaving() {
	f.mu.Lock()
	f.onLoss = nil
	if f.cancel != nil {
		f.cancel()
	}
	f.mu.Unlock()
	f.saving.Wait()
}

// reportError tells the health of the database of an error.
func (f *dbFile) reportError(err error) {
	if err != nil && f.health != nil {
		f.health.Failed(err)
	}
}
