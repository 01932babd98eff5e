package config

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
)

// readFile returns the settings that the file gives, by key, and notes the keys that it does not know or has twice.
func (r *reading) readFile() map[string]any {
	if r.path == "" {
		return nil
	}
	text, err := os.ReadFile(r.path)
	if err != nil {
		r.problems = append(r.problems, fmt.Errorf("read the file that %s names: %w", fileVariable, err))
		return nil
	}
	tree, err := yaml.Parser().Unmarshal(text)
	if err != nil {
		r.problems = append(r.problems, fmt.Errorf("read the file that %s names: %s is not YAML: %s", fileVariable, r.path, withoutContent(err)))
		return nil
	}
	flat := flatFile{values: map[string]any{}, spelled: map[string]string{}}
	for _, name := range sortedKeys(tree) {
		flat.add(name, written(name), tree[name])
	}
	for _, key := range sortedKeys(flat.twice) {
		delete(flat.values, key)
		r.problems = append(r.problems, fmt.Errorf("%s in %s is given twice, as %s and as %s; keep one",
			key, r.path, flat.twice[key][0], flat.twice[key][1]))
	}
	r.problems = append(r.problems, r.unknownKeys(flat.values)...)
	return flat.values
}

// flatFile is a file's tree of sections by the keys of its leaves. "http.addr" and "addr" in the section "http" are one key.
type flatFile struct {
	values  map[string]any
	spelled map[string]string // the way the file writes a key: `"http.addr"`, or `http: {addr}`
	twice   map[string][2]string
}

// add adds what the file gives under key. An empty section is a value.
func (f *flatFile) add(key, spelled string, node any) {
	section := asSection(node)
	if len(section) == 0 {
		f.leaf(key, spelled, node)
		return
	}
	for _, name := range sortedKeys(section) {
		f.add(key+"."+name, spelled+": {"+written(name)+"}", section[name])
	}
}

// written returns a name the way the file has it: in quotes when it has a dot.
func written(name string) string {
	if strings.Contains(name, ".") {
		return `"` + name + `"`
	}
	return name
}

func (f *flatFile) leaf(key, spelled string, value any) {
	if before, ok := f.spelled[key]; ok {
		if f.twice == nil {
			f.twice = map[string][2]string{}
		}
		f.twice[key] = [2]string{before, spelled}
		return
	}
	f.spelled[key] = spelled
	f.values[key] = value
}

// asSection returns node as a section, whose names YAML may have read as numbers or truth values; nil when it is none.
func asSection(node any) map[string]any {
	switch section := node.(type) {
	case map[string]any:
		return section
	case map[any]any:
		named := make(map[string]any, len(section))
		for name, value := range section {
			named[plain(name)] = value
		}
		return named
	}
	return nil
}

// yamlLine is what may be told of an error of the YAML reader.
var yamlLine = regexp.MustCompile(`line \d+`)

// withoutContent says where the YAML reader found what is wrong. What it says beyond that may quote the file, and in it
// a secret.
func withoutContent(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if !strings.ContainsAny(text, "`\"") && !strings.Contains(text, "anchor") {
		return text
	}
	if line := yamlLine.FindString(text); line != "" {
		return "see " + line
	}
	return "it has a key twice, or a value that does not fit"
}
