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

// Trees are the routes of all methods.
type Trees map[string]*routeTree

// Reserve returns trees with the paths that the host serves itself.
func Reserve(paths []string) Trees {
	trees := Trees{}
	for _, path := range paths {
		for _, method := range []string{
			http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
		} {
			trees.tree(method).add(path, "the host, which serves it itself")
		}
	}
	return trees
}

func (t Trees) tree(method string) *routeTree {
	if t[method] == nil {
		t[method] = &routeTree{}
	}
	return t[method]
}

// Add adds the route of e, or says with which one it conflicts.
func (t Trees) Add(e *app.Endpoint) error {
	if _, why := Parse(e.Path); why != "" {
		return nil // reported already
	}
	with, why := t.tree(e.Method).add(e.Path, owner(fmt.Sprintf("%s %s of plugin %s (%s)", e.Method, e.Path, e.Plugin.Name, e.Source)))
	if why == "" {
		return nil
	}
	return fmt.Errorf("%s: the route conflicts with that of %s: %s", Describe(e), with, why)
}

// AddHeads adds the HEAD that every GET gets by itself where the plugin did not register one.
func (t Trees) AddHeads(endpoints []app.Endpoint) (problems []error) {
	explicit := map[string]bool{}
	for i := range endpoints {
		if endpoints[i].Method == http.MethodHead {
			explicit[endpoints[i].Path] = true
		}
	}
	if len(explicit) == 0 {
		return nil // then the tree of HEAD is that of GET
	}
	for i := range endpoints {
		if e := endpoints[i]; e.Method == http.MethodGet && !explicit[e.Path] {
			e.Method = http.MethodHead
			if err := t.Add(&e); err != nil {
				problems = append(problems, err)
			}
		}
	}
	return problems
}

var wildcardName = regexp.MustCompile(`[:*](\w+)`)

// DifferingNames finds routes of several methods that are one path with other names in it, of which a document can say one alone.
func DifferingNames(endpoints []app.Endpoint) (problems []error) {
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
