package scaffold

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// checkParams says which parameters of the path would be a field of the request twice.
func checkParams(v values) error {
	own := map[string]string{endpointKind: "Name", cpuKind: "Text"}[v.Kind]
	var problems []error
	seen := map[string]string{}
	for _, p := range v.Params {
		switch other, twice := seen[p.Go]; {
		case p.Go == own:
			problems = append(problems, fmt.Errorf("the parameter :%s of the path would be the field %s, which the new request has already; give it another name, such as :%s_id",
				p.Name, own, strings.ToLower(v.Entity)))
		case twice:
			problems = append(problems, fmt.Errorf("the parameters :%s and :%s of the path would both be the field %s; give one another name", other, p.Name, p.Go))
		}
		seen[p.Go] = p.Name
	}
	return errors.Join(problems...)
}

// signedIn is the access of those whom the service knows.
const signedIn = "signed_in"

// rules are the options for what [Plugin.Access] may be.
var rules = map[string]string{"": "", "public": "app.Public()", signedIn: "app.SignedIn()"}

var (
	knowsCallers = regexp.MustCompile(`/domains/(?:accounts|identity)"`)
	accessRule   = regexp.MustCompile(`\bapp\.(?:Public|SignedIn|Can)\(`)
)

// access is what a plugin of the domain has to say of who may call it: nothing where nobody can sign in, or where the domain's list or main.go says
// it for all. A service with an authenticator of its own is not recognised; its developer says it with --access.
func (t *tree) access(domain string) string {
	main, err := t.read("main.go")
	if err != nil || !knowsCallers.MatchString(main) || strings.Contains(main, "host.DefaultAccess(") {
		return ""
	}
	if list, err := t.read("domains/" + domain + "/" + domain + ".go"); err == nil && accessRule.MatchString(list) {
		return ""
	}
	return signedIn
}

var registration = regexp.MustCompile(`\bb\.(?:(GET|POST|PUT|PATCH|DELETE)\(|Raw\((?:http\.Method|")(\w+)"?,\s*)"(/[^"]*)"`)

// checkRoute says which plugin has the path already, or a path that the router cannot have beside it.
func (t *tree) checkRoute(v values) error {
	for segment := range strings.SplitSeq(v.Path, "/") {
		if segment == "." || segment == ".." {
			return fmt.Errorf("the path %q must have no %s", v.Path, segment)
		}
	}
	files, err := filepath.Glob(t.path("domains/*/plugins/*.go"))
	if err != nil {
		return fmt.Errorf("look for routes: %w", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // the module's own
		if err != nil || strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range registration.FindAllStringSubmatch(string(text), -1) {
			method, route := strings.ToUpper(m[1]+m[2]), m[3]
			if method != v.Method {
				continue
			}
			if problem := besides(route, v.Path); problem != "" {
				rel, _ := filepath.Rel(t.dir, file)
				return fmt.Errorf("%s serves %s %s, %s", filepath.ToSlash(rel), method, route, problem)
			}
		}
	}
	return nil
}

// besides says why a router cannot have both paths, or "".
func besides(old, path string) string {
	a, b := strings.Split(old, "/"), strings.Split(path, "/")
	for i := range min(len(a), len(b)) {
		switch {
		case a[i] == b[i]:
		case strings.HasPrefix(a[i], "*"):
			return fmt.Sprintf("in which %s takes all that stands there; give another path", a[i])
		case strings.HasPrefix(a[i], ":") && strings.HasPrefix(b[i], ":"):
			return fmt.Sprintf("in which %s has the place of %s; name the parameter alike", a[i], b[i])
		default:
			return ""
		}
	}
	if len(a) == len(b) {
		return "so it is taken; give another with --path or --method"
	}
	return ""
}
