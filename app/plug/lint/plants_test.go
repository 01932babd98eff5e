package lint_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"plugboard/app/plug/lint"
)

// leastPlants is how many violations are planted in testdata at the least.
const leastPlants = 100

// plants are the violations that were found in testdata, by rule. Each is a line there with a comment that begins with
// "want", which analysistest compares.
type plants struct {
	mu     *sync.Mutex
	byRule map[string][]string
}

func (p plants) add(rule, message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byRule[rule] = append(p.byRule[rule], message)
}

// check fails when a rule, or one of the messages in the sources of the rules, was seen nowhere.
func (p plants) check(t *testing.T) {
	var all []string
	for _, rule := range lint.Rules("m/app") {
		found := p.byRule[rule.Name]
		t.Logf("%-12s %d planted", rule.Name, len(found))
		assert.NotEmpty(t, found, "the rule %s was never seen to report anything; plant something in testdata", rule.Name)
		all = append(all, found...)
	}
	t.Logf("%-12s %d planted", "together", len(all))
	assert.GreaterOrEqual(t, len(all), leastPlants)
	text := strings.Join(all, "\n")
	for _, message := range messages(t) {
		assert.True(t, pattern(message).MatchString(text), "%q was never reported; plant what it is for in testdata", message)
	}
}

var verb = regexp.MustCompile(`%[sdqvT]`)

// pattern matches what a format yields.
func pattern(format string) *regexp.Regexp {
	parts := verb.Split(format, -1)
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile(strings.Join(parts, ".*"))
}

// messages returns what the rules can say, from their sources: the texts given to what reports, those that say why an
// import is forbidden, what is wrong with an event, and all of package outside.
func messages(t *testing.T) []string {
	t.Helper()
	found := map[string]bool{}
	note := func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			require.NoError(t, err)
			if strings.Count(text, " ") > 2 {
				found[text] = true
			}
			return true
		})
	}
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	tables, err := filepath.Glob(filepath.Join("internal", "outside", "*.go"))
	require.NoError(t, err)
	for _, name := range slices.Concat(names, tables) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			if slices.Contains(tables, name) {
				note(decl)
			}
			eachMessage(decl, note)
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func eachMessage(decl ast.Decl, note func(ast.Node)) {
	if d, ok := decl.(*ast.FuncDecl); ok && strings.HasPrefix(d.Name.Name, "forbidden") {
		note(d.Body)
		return
	}
	ast.Inspect(decl, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"report", "Reportf", "tell", "fail"}, sel.Sel.Name) {
				note(n)
			}
		case *ast.AssignStmt:
			if sel, ok := n.Lhs[0].(*ast.SelectorExpr); ok && sel.Sel.Name == "Problem" {
				note(n)
			}
		}
		return true
	})
}
