//go:build unix

package dev

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/mattn/go-isatty"
)

// report tells a person at a terminal what happens.
type report struct {
	to  io.Writer
	dir string
}

// say writes one line.
func (r report) say(format string, args ...any) { fmt.Fprintf(r.to, "plug: "+format+"\n", args...) }

// changed names the changed files, the first few of many.
func (r report) changed(files []string) {
	const most = 3
	var names []string
	for _, file := range files[:min(most, len(files))] {
		if name, err := filepath.Rel(r.dir, file); err == nil {
			file = name
		}
		names = append(names, file)
	}
	text := strings.Join(names, ", ")
	if more := len(files) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	r.say("changed: %s; building", text)
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}
