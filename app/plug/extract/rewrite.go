package extract

import (
	"bytes"
	"errors"
	"fmt"
	"go/format"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"plugboard/app/plug/internal/edit"
	"plugboard/app/plug/site"
)

// Write makes the service of the clone: it removes the host's files, rewrites the imports of the others, and writes the
// files that every service has. It returns what is left to do by hand, each as a sentence. Everything it removes is in the
// clone's history. When main.go cannot be rewritten, nothing is changed.
func (v *Service) Write() (left []string, err error) {
	texts := map[string][]byte{}
	for name, text := range v.stays {
		texts[name] = text
		if path.Ext(name) != ".go" || text == nil {
			continue
		}
		after, problems, err := v.rewrite(name, text)
		if err != nil {
			return nil, err
		}
		texts[name] = after
		left = append(left, problems...)
	}
	if _, ok := texts["main.go"]; !ok {
		return nil, errors.New("the clone has no main.go")
	}
	for _, name := range v.files {
		if _, stays := texts[name]; stays {
			continue
		}
		if err := os.Remove(filepath.Join(v.dir, filepath.FromSlash(name))); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("remove a file of the host: %w", err)
		}
		v.removeEmpty(path.Dir(name))
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if bytes.Equal(texts[name], v.stays[name]) {
			continue
		}
		file := filepath.Join(v.dir, filepath.FromSlash(name))
		if err := os.WriteFile(file, texts[name], 0o644); err != nil { //nolint:gosec // a source; one that is there keeps its mode
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
	}
	if err := v.Site.Complete(v.dir); err != nil {
		return nil, err
	}
	if err := v.requireWhatTheCloneDid(); err != nil {
		return nil, err
	}
	slices.Sort(left)
	return left, nil
}

// removeEmpty removes folders that have become empty.
func (v *Service) removeEmpty(folder string) {
	for folder != "." && os.Remove(filepath.Join(v.dir, filepath.FromSlash(folder))) == nil {
		folder = path.Dir(folder)
	}
}

// rewrite returns a Go file with the imports that it needs as part of the service, and what it still needs of the host
// that the host does not offer to services.
func (v *Service) rewrite(name string, text []byte) (after []byte, left []string, err error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", name, err)
	}
	var edits []edit.Edit
	if name == "main.go" {
		if edits, err = v.editMain(fset, file, text); err != nil {
			return nil, nil, err
		}
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		rel, ours := strings.CutPrefix(imported, v.old+"/")
		if err != nil || !ours {
			continue
		}
		to, offered := v.target(rel)
		if name == "main.go" && hostPart(rel) {
			continue // editMain has removed it
		}
		if !offered {
			left = append(left, fmt.Sprintf("%s imports %s of the host, which may change in any release", name, rel))
		}
		edits = append(edits, edit.Edit{From: fset.Position(spec.Path.Pos()).Offset, To: fset.Position(spec.Path.End()).Offset, Text: strconv.Quote(to)})
	}
	after, err = format.Source(edit.Apply(text, edits)) // imports are sorted anew
	if err != nil {
		return nil, nil, fmt.Errorf("rewrite %s: %w; nothing was changed", name, err)
	}
	return after, left, nil
}

// target returns what the service imports instead of a package of the clone, and whether the host offers it to services.
func (v *Service) target(rel string) (pkg string, offered bool) {
	domain := ""
	if strings.HasPrefix(rel, "domains/") {
		domain = domainOf(rel)
	}
	switch {
	case slices.Contains(v.Own, domain), rel == "docs", v.own[rel]:
		return v.Site.Module + "/" + rel, true
	case slices.Contains(v.Hosted, domain):
		return v.Site.Host + "/" + rel, true
	}
	return v.Site.Host + "/" + rel, slices.Contains(site.Public(), rel)
}

// hostPart reports whether main.go of the clone imports the package for what host.Infra is now.
func hostPart(rel string) bool {
	return slices.Contains([]string{
		"infra/database", "infra/eventbus", "infra/host", "infra/host/cli", "infra/httpserver", "infra/logging", "infra/telemetry", "infra/workpool",
	}, rel)
}
