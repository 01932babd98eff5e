package fsnotify

type Watcher struct{}
