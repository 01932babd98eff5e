package annotate

import (
	"path"
	"path/filepath"
	"strings"
)

// Sources finds the files of a service: those of its module, and those of the packages of other modules that it is made
// of.
type Sources struct {
	// Dir is the module's root, Module its path.
	Dir, Module string
	// Folders are the folders of other modules' packages, by import path: of the contract, of the settings, and of the
	// domains that the service lists.
	Folders map[string]string
}

// File returns the file that a source of the manifest, "file:line", names, and the import path of its package. The file
// is own when it belongs to the module.
func (s Sources) File(source string) (file, pkg string, own bool) {
	name, _, _ := strings.Cut(source, ":")
	dir, base := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	if folder, ok := s.Folders[dir]; ok {
		return filepath.Join(folder, base), dir, false
	}
	return filepath.Join(s.Dir, filepath.FromSlash(name)), path.Join(s.Module, dir), true
}

// Folder returns the folder of a package, "" when it is not known.
func (s Sources) Folder(pkg string) string {
	if folder, ok := s.Folders[pkg]; ok {
		return folder
	}
	if rel, ok := strings.CutPrefix(pkg, s.Module+"/"); ok {
		return filepath.Join(s.Dir, filepath.FromSlash(rel))
	}
	return ""
}
