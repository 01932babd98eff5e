package outside

import (
	"go/build"
	"path/filepath"
	"strings"
	"sync"
)

// Known remembers what libraries were found to do. It is safe for concurrent use.
type Known struct {
	table Table
	found sync.Map // import path to what [Table.Reach] said
}

// NewKnown returns what is known of libraries before any has been looked into.
func NewKnown() *Known { return &Known{table: NewTable()} }

// Refusal says why a domain must not import a library, "" when it may. The library's source is at the folder of the file,
// which the compiler tells; without it, only the table decides.
func (k *Known) Refusal(imported, file string) string {
	does, instead, shared := k.table.Library(imported)
	switch {
	case does != "":
		return imported + " " + does + "; " + instead
	case shared || file == "":
		return ""
	}
	reached, ok := k.found.Load(imported)
	if !ok {
		reached = k.table.Reach(imported, filepath.Dir(sourceOf(file)))
		k.found.Store(imported, reached)
	}
	if reached != "" {
		return imported + " reaches the outside by itself (" + reached.(string) + "); " + client +
			"; a service that knows better names the library in its plug.yaml"
	}
	return ""
}

// sourceOf returns where a source file is that a build with -trimpath names by its module.
func sourceOf(file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	var escaped strings.Builder
	for _, c := range file {
		if 'A' <= c && c <= 'Z' {
			escaped.WriteByte('!')
			c += 'a' - 'A'
		}
		escaped.WriteRune(c)
	}
	return filepath.Join(build.Default.GOPATH, "pkg", "mod", filepath.FromSlash(escaped.String()))
}
