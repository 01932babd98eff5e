//go:build unix

package dev

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// quiet is how long nothing may change before changes are told: an editor writes a file in several steps.
	quiet = 30 * time.Millisecond
	// longest is how long the first of several changes waits at most.
	longest = 500 * time.Millisecond
)

// watcher tells which files of a tree have changed.
type watcher struct {
	tree    tree
	events  *fsnotify.Watcher
	changes chan []string
	errors  chan error
	done    chan struct{} // closed by close
	ended   chan struct{}
}

// watch begins to watch the tree below root. Whoever calls it calls close.
func watch(root string) (*watcher, error) {
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", err)
	}
	w := &watcher{
		tree: tree{root}, events: events, changes: make(chan []string), errors: make(chan error, 1),
		done: make(chan struct{}), ended: make(chan struct{}),
	}
	if _, err := w.add(root); err != nil {
		_ = events.Close() // the first error counts
		return nil, err
	}
	go w.run()
	return w, nil
}

// close ends the watching. No changes are told any more.
func (w *watcher) close() {
	close(w.done)
	<-w.ended
	_ = w.events.Close() // nothing is written
}

// add watches a folder and those below it. It returns the files there that count: they may have come before the watch.
func (w *watcher) add(folder string) (files []string, err error) {
	if !w.tree.isWatched(folder) {
		return nil, nil
	}
	if err := w.events.Add(folder); err != nil {
		return nil, watchError(folder, err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, ignoreGone(fmt.Errorf("watch files: %w", err))
	}
	for _, entry := range entries {
		name := filepath.Join(folder, entry.Name())
		if !entry.IsDir() {
			if counts(name) {
				files = append(files, name)
			}
			continue
		}
		below, err := w.add(name)
		if err != nil {
			return nil, err
		}
		files = append(files, below...)
	}
	return files, nil
}

// watchError says what to do about a folder that cannot be watched. One that is gone need not be.
func watchError(folder string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EMFILE) {
		return fmt.Errorf("watch %s: the system watches no more folders for this user; raise its limit (on Linux: sysctl fs.inotify.max_user_watches "+
			"and fs.inotify.max_user_instances): %w", folder, err)
	}
	return ignoreGone(fmt.Errorf("watch %s: %w", folder, err))
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// run collects changes until it is quiet, and tells them, each file once.
func (w *watcher) run() {
	defer close(w.ended)
	var changed []string
	var first time.Time
	timer := time.NewTimer(longest)
	timer.Stop()
	var ready chan<- []string // nil while more may come
	for {
		select {
		case <-w.done:
			return
		case err := <-w.events.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				w.report(err)
				continue
			}
			changed, ready = append(changed, w.tree.root), nil // which files, the system cannot say
			timer.Reset(quiet)
		case event := <-w.events.Events:
			files := w.take(event)
			if len(files) == 0 {
				continue
			}
			if len(changed) == 0 {
				first = time.Now()
			}
			changed, ready = append(changed, files...), nil
			timer.Reset(min(quiet, longest-time.Since(first)))
		case <-timer.C:
			slices.Sort(changed)
			changed, ready = slices.Compact(changed), w.changes
		case ready <- changed:
			changed, ready = nil, nil
		}
	}
}

// take returns the files that an event is about. New folders are watched from now on.
func (w *watcher) take(event fsnotify.Event) []string {
	if event.Op == fsnotify.Chmod || !w.tree.isWatched(filepath.Dir(event.Name)) {
		return nil
	}
	if event.Has(fsnotify.Create) {
		if info, err := os.Lstat(event.Name); err == nil && info.IsDir() {
			files, err := w.add(event.Name)
			w.report(err)
			return files
		}
	}
	if !counts(event.Name) {
		return nil
	}
	return []string{event.Name}
}

// report passes an error on, unless one waits already.
func (w *watcher) report(err error) {
	if err == nil {
		return
	}
	select {
	case w.errors <- err:
	default:
	}
}
