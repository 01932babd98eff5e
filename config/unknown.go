package config

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// variable is one entry of the environment.
type variable struct{ name, value string }

// unknownVariables reports variables whose names begin like settings but are none.
func (r *reading) unknownVariables(unknown []variable) []error {
	slices.SortFunc(unknown, func(a, b variable) int { return strings.Compare(a.name, b.name) })
	var problems []error
	services := map[string][]string{}
	for _, v := range unknown {
		if service, ok := serviceLink(v); ok {
			services[service] = append(services[service], v.name)
			continue
		}
		problems = append(problems, fmt.Errorf("%s is not a setting; %s", v.name, r.suggestVariable(v.name)))
	}
	return append(problems, serviceLinkProblems(services)...)
}

// unknownKeys reports the keys of the file that are no settings.
func (r *reading) unknownKeys(inFile map[string]any) []error {
	var problems []error
	for _, key := range sortedKeys(inFile) {
		value := inFile[key]
		switch {
		case r.isKey(key):
		case r.secretAbove(key) != "":
			problems = append(problems, fmt.Errorf("%s in %s is a section; it must be one value", r.secretAbove(key), r.path))
		case !r.isSection(key):
			problems = append(problems, fmt.Errorf("%q in %s is not a setting; %s", key, r.path, r.suggestKey(key)))
		case value != nil && !isEmptySection(value):
			problems = append(problems, fmt.Errorf("%s in %s is a section; give its settings, such as %s",
				key, r.path, r.firstOf(key)))
		}
	}
	return problems
}

// secretAbove returns the secret setting of which key is a part, since the parts may be its value.
func (r *reading) secretAbove(key string) string {
	for _, f := range r.fields {
		if f.secret && strings.HasPrefix(key, f.key+".") {
			return f.key
		}
	}
	return ""
}

func (r *reading) isKey(key string) bool {
	return slices.ContainsFunc(r.fields, func(f field) bool { return f.key == key })
}

func (r *reading) firstOf(section string) string {
	i := slices.IndexFunc(r.fields, func(f field) bool { return strings.HasPrefix(f.key, section+".") })
	return r.fields[i].key
}

func isEmptySection(value any) bool {
	section, ok := value.(map[string]any)
	return ok && len(section) == 0
}

func (r *reading) suggestVariable(name string) string {
	candidates := []string{fileVariable}
	for _, f := range r.fields {
		candidates = append(candidates, f.names()...)
		if !f.secret && f.env+fileSuffix == name {
			return f.env + " is no secret: give its value itself"
		}
	}
	upper := strings.ToUpper(name)
	if best, ok := Nearest(upper, candidates, (len(name)-len(prefix))/4); ok {
		return "did you mean " + best + "?"
	}
	if strings.Contains(upper, "PORT") || strings.Contains(upper, "HOST") || strings.Contains(upper, "LISTEN") {
		return "the address to listen on is " + envName("http.addr")
	}
	return `"check --print-config" lists them all`
}

func (r *reading) suggestKey(key string) string {
	candidates := make([]string, len(r.fields))
	for i, f := range r.fields {
		candidates[i] = f.key
	}
	if best, ok := Nearest(strings.ToLower(key), candidates, len(key)/4); ok {
		return "did you mean " + best + "?"
	}
	return `"check --print-config" lists them all`
}

// Nearest returns the candidate with the fewest edits from name, if these are no more than most; two are always
// few enough. It serves every "did you mean".
func Nearest(name string, candidates []string, most int) (string, bool) {
	const longestName = 100 // nobody means a setting by more, and the distance is quadratic
	if len(name) > longestName {
		return "", false
	}
	best, fewest := "", 1+max(2, most)
	for _, c := range candidates {
		if d := editDistance(name, c); d < fewest {
			best, fewest = c, d
		}
	}
	return best, best != ""
}

// editDistance counts the insertions, deletions, substitutions and swaps of neighbours that turn a into b
// (optimal string alignment, https://en.wikipedia.org/wiki/Damerau-Levenshtein_distance).
func editDistance(a, b string) int {
	before, row, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row, next = row, next, before
	}
	return row[len(b)]
}

// Kubernetes adds these variables to a container for each Service in its namespace
// (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables); a Service named
// "app" or "app-…" makes names that begin like settings. The last form, …_PORT, is told from a mistyped
// setting by its value.
var (
	linkName = regexp.MustCompile(
		`^(APP(?:_[A-Z0-9_]+?)??)_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$`)
	linkPort  = regexp.MustCompile(`^(APP(?:_[A-Z0-9_]+?)??)_PORT$`)
	linkValue = regexp.MustCompile(`^(?:tcp|udp|sctp)://`)
)

// serviceLink reports whether Kubernetes added v, and for which Service.
func serviceLink(v variable) (service string, ok bool) {
	m := linkName.FindStringSubmatch(v.name)
	if m == nil && linkValue.MatchString(v.value) {
		m = linkPort.FindStringSubmatch(v.name)
	}
	if m == nil {
		return "", false
	}
	return strings.ToLower(strings.ReplaceAll(m[1], "_", "-")), true
}

func serviceLinkProblems(services map[string][]string) []error {
	var problems []error
	for _, service := range sortedKeys(services) {
		problems = append(problems, fmt.Errorf(
			"%s: not a setting; Kubernetes adds such variables for a Service named %q: set enableServiceLinks: false "+
				"in the pod's spec, or rename the Service (the address to listen on is %s)",
			strings.Join(services[service], ", "), service, envName("http.addr")))
	}
	return problems
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
