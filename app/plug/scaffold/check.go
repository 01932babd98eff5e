package scaffold

import (
	"errors"
	"fmt"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// longestName is short enough for the file names of all file systems.
const longestName = 100

// check returns everything that is wrong with the request.
func (t *tree) check(v values) error {
	var problems []error
	add := func(when bool, format string, args ...any) {
		if when {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	add(!domainName.MatchString(v.Domain), "the domain %q must be one lower-case word, as in products/archive_product", v.Domain)
	add(token.IsKeyword(v.Domain) || types.Universe.Lookup(v.Domain) != nil || slices.Contains(reserved, v.Domain) || t.inMain(v.Domain),
		"the domain cannot be called %q, which means something else in Go or in main.go", v.Domain)
	add(!pluginName.MatchString(v.Name), "the name %q must be lower-case words joined by _, as in products/archive_product", v.Name)
	add(len(v.Name) > longestName, "the name %q is longer than %d characters; take a shorter one", v.Name, longestName)
	add(otherSystem(v.Name), "a file %s.go would be a test, or built on some systems only; take a name with another last word", v.Name)
	add(!slices.Contains(kindNames(), v.Kind), "there is no kind %q; it is %s", v.Kind, either(kindNames()))
	for _, name := range []string{v.Name + ".go", v.Name + "_test.go"} {
		file := "domains/" + v.Domain + "/plugins/" + name
		add(t.exists(file), "%s is there already; take another name, or remove the file first", file)
	}
	problems = append(problems, t.checkNames(v), t.checkKind(v))
	if domainName.MatchString(v.Domain) && !t.exists("domains/"+v.Domain) {
		problems = append(problems, t.checkTable(v))
	}
	return errors.Join(problems...)
}

// checkKind returns everything that is wrong with what the plugin serves or hears.
func (t *tree) checkKind(v values) error {
	var problems []error
	switch {
	case slices.Contains(served, v.Kind):
		if !slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, v.Method) {
			problems = append(problems, fmt.Errorf("the method %q must be GET, POST, PUT, PATCH or DELETE", v.Method))
		}
		if !pathForm.MatchString(v.Path) {
			problems = append(problems, fmt.Errorf("the path %q must be like /products/:id/archive", v.Path))
		}
		if _, known := rules[v.Access]; !known {
			problems = append(problems, fmt.Errorf("the access %q must be public or signed_in; for a permission write app.Can into the plugin", v.Access))
		}
		problems = append(problems, checkParams(v), t.checkRoute(v))
	case v.Topic != "" && !topicForm.MatchString(v.Topic):
		problems = append(problems, fmt.Errorf("the topic %q must be lower-case words joined by dots, as in product.created", v.Topic))
	}
	switch v.Kind {
	case listKind:
		problems = append(problems, t.checkList(v))
	case responderKind:
		problems = append(problems, t.checkAnswered(v))
	}
	return errors.Join(problems...)
}

// reserved are names that main.go and the go command leave free, and that no domain can have: the function main, folders
// that the go command treats in its own way, and the packages that a domain's own file imports beside itself.
var reserved = []string{"main", "init", "documentation", "internal", "vendor", "testdata", "app", "plugins", "models", "migrations"}

// otherSystem reports whether the go command would build a file of the name only in tests or on some systems.
func otherSystem(name string) bool {
	words := strings.Split(name, "_")
	last := words[len(words)-1]
	systems := "test aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris wasip1 windows zos " +
		"386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm"
	return name == "doc" || len(words) > 1 && slices.Contains(strings.Fields(systems), last)
}
