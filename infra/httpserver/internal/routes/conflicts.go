package routes

import (
	"fmt"
	"net/http"
	"regexp"

	"plugboard/app"
)

// Describe names an endpoint in a start error.
func Describe(e *app.Endpoint) string {
	return fmt.Sprintf("plugin %s (%s): %s %s", e.Plugin.Name, e.Source, e.Method, e.Path)
}

// Conflicts returns an error for each endpoint whose route cannot stand beside that of another, or beside the paths that the host
// reserves. Endpoints whose path [Parse] refuses are left out.
func Conflicts(endpoints []app.Endpoint, reserved []string) (problems []error) {
	trees := trees{}
	for _, path := range reserved {
		for _, method := range []string{
			http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
		} {
			trees.of(method).add(path, "the host, which serves it itself")
		}
	}
	heads := map[string]bool{} // the paths for which a plugin registered a HEAD
	for i := range endpoints {
		e := &endpoints[i]
		problems = append(problems, trees.add(e, e.Method)...)
		if e.Method == http.MethodHead {
			heads[e.Path] = true
		}
	}
	// The server answers HEAD for each GET whose path has no HEAD of its own, so those take part in the tree of HEAD. If no plugin
	// registered a HEAD, that tree would be the one of GET, which is checked already.
	for i := range endpoints {
		if e := &endpoints[i]; len(heads) > 0 && e.Method == http.MethodGet && !heads[e.Path] {
			problems = append(problems, trees.add(e, http.MethodHead)...)
		}
	}
	return append(problems, differingNames(endpoints)...)
}

// trees are the routes of all methods.
type trees map[string]*tree

func (t trees) of(method string) *tree {
	if t[method] == nil {
		t[method] = &tree{}
	}
	return t[method]
}

// add adds the route of e for a method, or returns with which route it conflicts.
func (t trees) add(e *app.Endpoint, method string) []error {
	if _, why := Parse(e.Path); why != "" {
		return nil
	}
	with, why := t.of(method).add(e.Path, owner(fmt.Sprintf("%s %s of plugin %s (%s)", method, e.Path, e.Plugin.Name, e.Source)))
	if why == "" {
		return nil
	}
	return []error{fmt.Errorf("%s: the route conflicts with that of %s: %s", Describe(e), with, why)}
}

var wildcardName = regexp.MustCompile(`[:*](\w+)`)

// differingNames finds routes of several methods that are one path with different names for its parameters. The documents have one
// entry for a path, with one name for each parameter.
func differingNames(endpoints []app.Endpoint) (problems []error) {
	first := map[string]*app.Endpoint{}
	for i := range endpoints {
		e := &endpoints[i]
		if e.Method == http.MethodHead || e.Options.Hidden {
			continue
		}
		path := wildcardName.ReplaceAllString(e.Path, ":")
		other := first[path]
		switch {
		case other == nil:
			first[path] = e
		case other.Method != e.Method && wildcardName.ReplaceAllString(other.Path, ":$1") != wildcardName.ReplaceAllString(e.Path, ":$1"):
			problems = append(problems, fmt.Errorf("%s: it is the path of %s with other names in it; the documents have one for both: use the same names",
				Describe(e), Describe(other)))
		}
	}
	return problems
}
