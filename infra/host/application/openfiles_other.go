//go:build !unix

package application

// openFiles returns false: this system has no such limit.
func openFiles() (limit int, known bool) { return 0, false }
