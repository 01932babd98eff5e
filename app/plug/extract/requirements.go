package extract

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"
)

// requireWhatTheCloneDid adds to the service's go.mod what the clone's has and the base's has not: modules, replacements and
// exclusions of the clone's own.
func (v *Service) requireWhatTheCloneDid() error {
	name := filepath.Join(v.dir, "go.mod")
	text, err := os.ReadFile(name) //nolint:gosec // the service's
	if err != nil {
		return fmt.Errorf("read go.mod: %w", err)
	}
	mod, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		return fmt.Errorf("read go.mod: %w", err)
	}
	was, err := modfile.ParseLax("go.mod", []byte(v.modBase), nil)
	if err != nil {
		return fmt.Errorf("read go.mod of the base: %w", err)
	}
	is, err := modfile.Parse("go.mod", []byte(v.modHead), nil)
	if err != nil {
		return fmt.Errorf("read go.mod of the clone: %w", err)
	}
	known := map[string]bool{v.Site.Host: true}
	for _, r := range was.Require {
		known[r.Mod.Path] = true
	}
	for _, r := range is.Require {
		if !known[r.Mod.Path] {
			err = errors.Join(err, mod.AddRequire(r.Mod.Path, r.Mod.Version))
		}
	}
	for _, r := range is.Replace {
		if r.Old.Path != v.Site.Host {
			err = errors.Join(err, mod.AddReplace(r.Old.Path, r.Old.Version, r.New.Path, r.New.Version))
		}
	}
	for _, e := range is.Exclude {
		err = errors.Join(err, mod.AddExclude(e.Mod.Path, e.Mod.Version))
	}
	if err != nil {
		return fmt.Errorf("carry over requirements: %w", err)
	}
	if text, err = mod.Format(); err != nil {
		return fmt.Errorf("write go.mod: %w", err)
	}
	return os.WriteFile(name, text, 0o644) //nolint:gosec // a source
}
