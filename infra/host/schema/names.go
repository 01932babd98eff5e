package schema

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"plugboard/infra/host/manifest"
)

// placeholder is a reference to the n-th named schema, until its name is known.
func placeholder(n int) string { return "\x00" + strconv.Itoa(n) }

// Components resolves the references in all schemas that the set has returned, and returns the referenced schemas by
// name. It is called once, after the last schema.
//
// A schema has the name of its struct. Requests and answers may need different schemas of one struct: that of answers
// has the plain name, the others end in "Input", "Patch" or "Strict". When two packages have structs of one name, the
// name of the package, or of its domain, comes before it; conflicts names them.
func (s *Set) Components(schemas ...*manifest.Schema) (components map[string]*manifest.Schema, conflicts []string) {
	classes := s.classes()
	names, conflicts := s.names(classes)
	conflicts = append(conflicts, s.faults...)
	components = map[string]*manifest.Schema{}
	for i, n := range s.named {
		resolve(n.schema, names)
		components[names[i]] = n.schema
	}
	for _, schema := range schemas {
		resolve(schema, names)
	}
	return components, conflicts
}

// classes gives equal numbers to equal named schemas. It first compares the schemas without regard to references, and
// then divides the classes until the references of equal schemas lead to equal classes.
func (s *Set) classes() []string {
	classes := make([]string, len(s.named))
	for i, n := range s.named {
		classes[i] = n.typ.String()
	}
	for before := 0; ; {
		next := make([]string, len(s.named))
		for i, n := range s.named {
			text := canonical(n.schema, classes)
			sum := sha256.Sum256([]byte(n.typ.PkgPath() + n.typ.String() + text))
			next[i] = string(sum[:])
		}
		classes = next
		count := len(slices.Compact(slices.Sorted(slices.Values(classes))))
		if count == before {
			return classes
		}
		before = count
	}
}

// canonical returns a schema as text, with classes instead of references.
func canonical(s *manifest.Schema, classes []string) string {
	text, err := json.Marshal(s)
	if err != nil {
		return err.Error() // cannot happen: every schema of ours can be encoded
	}
	return reference.ReplaceAllStringFunc(string(text), func(found string) string {
		n, _ := strconv.Atoi(reference.FindStringSubmatch(found)[1]) // the pattern has digits alone
		return fmt.Sprintf("%x", classes[n])
	})
}

var reference = regexp.MustCompile(`\\u0000(\d+)`)

// names gives each schema its name; equal ones share it.
func (s *Set) names(classes []string) (names, conflicts []string) {
	names = make([]string, len(s.named))
	owner := map[string]reflect.Type{}
	for i, n := range s.named {
		name := typeName(n.typ)
		if other, taken := owner[name]; taken && other != n.typ {
			conflicts = append(conflicts, fmt.Sprintf("%s and %s would both be called %s in the documents; give one the name of its feature", comment(other, ""), comment(n.typ, ""), name))
			name = qualified(n.typ)
		} else {
			owner[name] = n.typ
		}
		names[i] = name
	}
	for i := range s.named {
		names[i] += s.suffix(i, classes)
	}
	return names, conflicts
}

// suffix returns what the name of a schema ends in when its type has several schemas. The first of ways that the type is
// used in has no suffix.
func (s *Set) suffix(i int, classes []string) string {
	found := false
	for _, way := range ways {
		at, ok := s.known[key{s.named[i].typ, way.use}]
		if !ok {
			continue
		}
		if classes[at] == classes[i] {
			if !found {
				return ""
			}
			return way.suffix
		}
		found = true
	}
	return ""
}

// ways are the uses of a type. The first one that occurs gets the plain name.
var ways = []struct {
	use    Use
	suffix string
}{
	{Use{Answer: true}, ""},
	{Use{}, "Input"},
	{Use{Patch: true}, "Patch"},
	{Use{Strict: true}, "Strict"},
	{Use{Patch: true, Strict: true}, "StrictPatch"},
}

// resolve puts names into the references of s.
func resolve(s *manifest.Schema, names []string) {
	if s == nil {
		return
	}
	if number, ok := strings.CutPrefix(s.Ref, "\x00"); ok {
		n, _ := strconv.Atoi(number) // it is a placeholder
		s.Ref = manifest.RefPrefix + names[n]
	}
	for _, part := range s.Parts() {
		resolve(part, names)
	}
}

// typeName is the name of a struct in the documents: the name of the type, after the name of its package unless that is
// plugins or belongs to the contract.
func typeName(typ reflect.Type) string {
	name := plainName(typ)
	if _, arguments, ok := strings.Cut(typ.Name(), "["); ok {
		name += "Of" + argumentNames(strings.TrimSuffix(arguments, "]"))
	}
	if base := path.Base(typ.PkgPath()); base != "plugins" && base != "app" {
		name = base + "." + name
	}
	return name
}

// qualified is a name for structs of one name in several packages: the name of the domain, or of the package, comes
// first.
func qualified(typ reflect.Type) string {
	_, after, ok := strings.Cut(typ.PkgPath(), "/domains/")
	domain, _, _ := strings.Cut(after, "/")
	if !ok {
		domain = strings.ReplaceAll(typ.PkgPath(), "/", "_")
	}
	return domain + "." + typeName(typ)
}

// plainName is the name of a type without its arguments.
func plainName(typ reflect.Type) string {
	name, _, _ := strings.Cut(typ.Name(), "[")
	return noLetter.ReplaceAllString(name, "_")
}

var (
	noLetter    = regexp.MustCompile(`[^A-Za-z0-9_]+`)
	packagePath = regexp.MustCompile(`(?:[\w.-]+/)*[\w-]+\.`)
)

// argumentNames turns the arguments of a generic type into a part of a name: "int,*a/b.Item" is "IntAndItem".
func argumentNames(arguments string) string {
	arguments = packagePath.ReplaceAllString(arguments, "")
	arguments = strings.NewReplacer("[]", "ListOf ", "map[string]", "MapOf ", "*", "", ",", " And ", "[", " Of ").Replace(arguments)
	var name strings.Builder
	for word := range strings.FieldsSeq(noLetter.ReplaceAllString(arguments, " ")) {
		name.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return name.String()
}
