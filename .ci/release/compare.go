package main

import (
	"bytes"
	"context"
	"fmt"
	"go/types"
	"maps"
	"slices"
	"strings"

	"golang.org/x/exp/apidiff"
)

// change is a difference between two descriptions.
type change struct {
	folder string
	// what is apidiff's message: "Name: removed" and the like.
	what       string
	compatible bool
}

// compare finds what has changed between two descriptions of the API of the module in dir.
func compare(ctx context.Context, dir, module string, before, after []byte) ([]change, error) {
	if bytes.Equal(before, after) {
		return nil, nil
	}
	old, err := parse(apiFile, before)
	if err != nil {
		return nil, err
	}
	now, err := parse("the sources' API", after)
	if err != nil {
		return nil, err
	}
	foreign, err := loadForeign(ctx, dir, slices.Concat(old.foreign(), now.foreign()))
	if err != nil {
		return nil, err
	}
	olds, err := old.packages(module, foreign)
	if err != nil {
		return nil, err
	}
	news, err := now.packages(module, foreign)
	if err != nil {
		return nil, err
	}
	return changes(old, now, olds, news), nil
}

func changes(old, now *api, olds, news map[string]*types.Package) []change {
	var all []change
	for _, folder := range slices.Sorted(maps.Keys(old.files)) {
		switch {
		case !old.public[folder]:
		case !now.public[folder]:
			all = append(all, change{folder, "package: removed", false})
		default:
			for _, c := range apidiff.Changes(olds[folder], news[folder]).Changes {
				all = append(all, change{folder, c.Message, c.Compatible})
			}
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(now.files)) {
		if now.public[folder] && !old.public[folder] {
			all = append(all, change{folder, "package: added", true})
		}
	}
	return all
}

// incompatible returns the changes that break services.
func incompatible(all []change) []change {
	return slices.DeleteFunc(slices.Clone(all), func(c change) bool { return c.compatible })
}

// String says what has changed and, if it breaks services, what to do instead.
func (c change) String() string {
	name, what, _ := strings.Cut(c.what, ": ")
	if method, of, promoted := strings.Cut(name, ", method set of "); promoted { // the method of an embedded type
		if strings.HasPrefix(of, "*") {
			of = "(" + of + ")"
		}
		name = of + method[strings.LastIndex(method, "."):]
	}
	instead := ""
	switch {
	case c.compatible:
	case name == "package":
		what, instead = "is gone", "keep the package, with deprecated names that lead to the new ones"
	case what == "removed":
		what, instead = "is gone", "keep the old name, deprecated"
	case what == "added":
		what, instead = "is new in an interface that services implement", "put the method into an interface of its own, and ask for that where it is needed"
	case what == "added unexported method":
		what, instead = "is new, so that services cannot implement the interface any more", "put the method into an interface of its own"
	case strings.HasPrefix(what, "value changed"):
		what, instead = "has its "+what, "give the new value a name of its own, and deprecate the old"
	case what == "old is comparable, new is not":
		what, instead = "cannot be compared by == any more, nor be the key of a map", "keep what cannot be compared behind a pointer"
	case strings.HasPrefix(what, "no longer implements "):
		instead = "keep the methods that " + strings.TrimPrefix(what, "no longer implements ") + " asks for"
	case strings.HasPrefix(what, "changed "):
		what, instead = "has "+what, "give the new form a new name, and keep the old, deprecated"
	}
	text := fmt.Sprintf("%s: %s %s", c.folder, name, what)
	if instead != "" {
		text += "\n      " + instead
	}
	return text
}

// advice tells what to do about incompatible changes.
const advice = `Services that use these would not compile with the next version. Either keep the old name working for two minor versions. Its
comment then has, in this order,

	// Deprecated: use NewName.
	//
	//plug:renamed NewName

where the last line is for a plain rename, which "go tool plug upgrade" carries out in services. Or, before v1, when the change is
meant: make api accepts it, and CHANGELOG.md must tell users what to do. Such a version raises the minor number.`

// report lists the changes.
func report(all []change) string {
	var text strings.Builder
	for _, c := range all {
		text.WriteString("  " + c.String() + "\n")
	}
	return text.String()
}
