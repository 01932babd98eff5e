package application

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"go.uber.org/dig"
)

// Errors of Fx export nothing but their text. These are the parts of that text.
var (
	digFunction = `"([^"]*)"\.(\S+) \((.*?:\d+)\)`
	missing     = regexp.MustCompile(`missing dependencies for function ` + digFunction + `: missing types?: (.*)$`)
	suggestion  = regexp.MustCompile(` \(did you mean (.*)\?\)$`)
	received    = regexp.MustCompile(`received non-nil error from function ` + digFunction + `: `)
	panicked    = regexp.MustCompile(`panic: "(.*)" in func: ` + digFunction)
	cycle       = regexp.MustCompile(`cycle detected in dependency graph: (?:\[scope "[^"]*"\]\n)?`)
	provided    = regexp.MustCompile(`^(?:\tdepends on )?(.*) provided by ` + digFunction + `$`)
	twice       = regexp.MustCompile(`cannot provide ` + `function ` + digFunction + `: cannot provide (\S+) from .*: already provided by ` + digFunction)
)

// asker is the name that Fx gives to a function made by [needing].
const asker = "makeFuncStub"

func isGraphError(err error) bool {
	var d dig.Error
	return errors.As(err, &d) || strings.Contains(err.Error(), "fx.Provide") || errors.As(err, &dig.PanicError{})
}

// plainGraphError translates an error of Fx into plain words.
func plainGraphError(err error) string {
	text := err.Error()
	if i := strings.Index(text, "host.Middleware ("); i >= 0 {
		return text[i:]
	}
	if m := panicked.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("%s (%s) panicked: %s", shortName(m[2]+"."+m[3]), m[4], m[1])
	}
	if loc := received.FindStringSubmatchIndex(text); loc != nil {
		m := received.FindStringSubmatch(text)
		return fmt.Sprintf("%s (%s): %s", shortName(m[1]+"."+m[2]), m[3], text[loc[1]:])
	}
	if loc := cycle.FindStringIndex(text); loc != nil {
		return plainCycle(text[loc[1]:])
	}
	if m := twice.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("%s is provided twice: by %s (%s) and by %s (%s)", m[4],
			shortName(m[5]+"."+m[6]), m[7], shortName(m[1]+"."+m[2]), m[3])
	}
	if m := missing.FindStringSubmatch(text); m != nil {
		if m[2] == asker { // Fx annotates the constructors of middleware, which takes their names
			return "a constructor given to host.Middleware needs " + plainMissing(m[4])
		}
		return fmt.Sprintf("%s (%s) needs %s", shortName(m[1]+"."+m[2]), m[3], plainMissing(m[4]))
	}
	return text
}

// plainCycle renders "*a.A from a.NewA (a.go:1) needs *b.B from b.NewB (b.go:2), which needs *a.A again".
func plainCycle(path string) string {
	var b strings.Builder
	b.WriteString("constructors wait for each other: ")
	lines := strings.Split(strings.TrimSpace(path), "\n")
	for i, line := range lines {
		m := provided.FindStringSubmatch(line)
		if m == nil {
			return "constructors wait for each other: " + path
		}
		switch i {
		case 0:
		case 1:
			b.WriteString(" needs ")
		default:
			b.WriteString(", which needs ")
		}
		if i == len(lines)-1 {
			fmt.Fprintf(&b, "%s again; have one of them take less", result(m[1]))
			break
		}
		fmt.Fprintf(&b, "%s from %s (%s)", result(m[1]), shortName(m[2]+"."+m[3]), m[4])
	}
	return b.String()
}

// result returns what a constructor makes: "*b.B" for "func(*a.A) *b.B" and for "func(*a.A) (*b.B, error)".
func result(signature string) string {
	depth := 0
	for i, r := range strings.TrimPrefix(signature, "func") {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 {
			results := strings.Trim(signature[len("func")+i+1:], " ()")
			return strings.TrimSuffix(results, ", error")
		}
	}
	return signature
}

// meant returns what to ask for, by what constructors ask for in its place.
func meant() map[string]string {
	return map[string]string{
		"http.Client": "*http.Client", "http.RoundTripper": "*http.Client", "*http.Transport": "*http.Client",
		"*prometheus.Registry": "prometheus.Registerer", "trace.Tracer": "trace.TracerProvider",
		"*sql.DB": "*gorm.DB", "gorm.DB": "*gorm.DB", "*app.Mailer": "app.Mailer", "*app.Bus": "app.Bus", "*app.Clock": "app.Clock",
		"*zap.SugaredLogger": "*zap.Logger", "zap.Logger": "*zap.Logger", "*slog.Logger": "*zap.Logger", "*log.Logger": "*zap.Logger",
	}
}

// plainMissing renders the list of missing types.
func plainMissing(list string) string {
	var needs []string
	for item := range strings.SplitSeq(list, "; ") {
		advice := "provide it with fx.Provide, in the domain or in main.go"
		if m := suggestion.FindStringSubmatch(item); m != nil {
			item = strings.TrimSuffix(item, m[0])
			advice = "did you mean " + m[1] + "?"
		}
		if right, ok := meant()[item]; ok {
			advice = "ask for " + right
		}
		needs = append(needs, fmt.Sprintf("%s, which nothing provides; %s", item, advice))
	}
	return strings.Join(needs, "; and ")
}

// unmet says why a function made by [needing] did not get its parameter: "*foo.Bar, which nothing provides; …". It
// returns false when err is nil or about something else. inRoot is the error of the same function in the root: Fx
// suggests only what can be seen from where it is asked, so that error has the better suggestions.
func unmet(err, inRoot error) (string, bool) {
	if err == nil || !strings.Contains(err.Error(), asker) {
		return "", false
	}
	text := err.Error()
	m := missing.FindStringSubmatch(text)
	switch {
	case m == nil:
		return plainGraphError(err), true
	case m[2] != asker:
		return fmt.Sprintf("%s, whose constructor %s (%s) needs %s", built.FindStringSubmatch(text)[1],
			shortName(m[1]+"."+m[2]), m[3], plainMissing(m[4])), true
	}
	if inRoot != nil {
		if better := missing.FindStringSubmatch(inRoot.Error()); better != nil && better[2] == asker {
			m = better
		}
	}
	return plainMissing(m[4]), true
}

// built matches the first type that Fx tried to build on the way to the missing one.
var built = regexp.MustCompile(`failed to build (\S+):`)

// missingDirectly reports whether err says that nothing provides t itself.
func missingDirectly(err error, t reflect.Type) bool {
	if err == nil {
		return false
	}
	m := missing.FindStringSubmatch(err.Error())
	return m != nil && m[2] == asker && strings.HasPrefix(m[4], t.String())
}

// failedFunction returns the full name of the constructor that failed or panicked, or "".
func failedFunction(err error) string {
	if m := panicked.FindStringSubmatch(err.Error()); m != nil {
		return m[2] + "." + m[3]
	}
	if m := received.FindStringSubmatch(err.Error()); m != nil {
		return m[1] + "." + m[2]
	}
	return ""
}
