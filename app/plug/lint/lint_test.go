package lint_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"

	"plugboard/app/plug/lint"
)

func rule(t *testing.T, name string) *analysis.Analyzer {
	t.Helper()
	rules := lint.Rules("m/app")
	at := slices.IndexFunc(rules, func(a *analysis.Analyzer) bool { return a.Name == name })
	require.GreaterOrEqual(t, at, 0, name)
	return rules[at]
}

// Every rule is seen to report what is planted in testdata, with every message it has, to let the rest pass, and to
// honour an exemption. A rule or a message without a plant fails.
func TestRules(t *testing.T) {
	t.Parallel()
	cases := map[string][]string{
		"imports":     {"m", "m/domains/imports/plugins", "m/infra/host", "m/docs", "m/config/sub", "m/app", "m/app/plug", "m/app/apptest", "shop.example", "shop.example/infra/clock", "shop.example/app/money", "shop.example/app/names", "shop.example/domains/orders/plugins"},
		"schemas":     {"m/domains/schemas/plugins"},
		"models":      {"m/domains/schemas/models"},
		"shape":       {"m/domains/shape/plugins"},
		"listed":      {"m/domains/listed", "m/domains/renamed", "shop.example/domains/orders", "shop.example/domains/orders/plugins"},
		"permissions": {"m/domains/permits", "m/domains/permits/plugins"},
		"blocking":    {"m/domains/blocking/plugins", "shop.example/app/money", "shop.example/domains/orders/plugins"},
		"goroutine":   {"m/domains/goroutine/plugins", "shop.example/app/money"},
		"tables":      {"m/domains/tables/plugins"},
		"transaction": {"m/domains/tx/plugins"},
		"txcontext":   {"m/domains/txcontext/plugins"},
		"publish":     {"m/domains/publish/plugins"},
		"announced":   {"m/domains/announced/plugins"},
		"events":      {"m", "m/domains/shop/plugins", "m/domains/price/plugins", "shop.example", "shop.example/domains/orders", "shop.example/domains/orders/plugins"},
		"secrets":     {"m/domains/secret/plugins"},
		"onboot":      {"m/domains/onboot/plugins"},
		"once":        {"m/domains/once/plugins"},
		"remote":      {"m/domains/remote/plugins"},
		"settings":    {"m/domains/settings/plugins"},
		"exemption":   {"m/domains/exemption/plugins"},
	}
	seen := plants{mu: &sync.Mutex{}, byRule: map[string][]string{}}
	packages := slices.Concat(slices.Collect(maps.Values(cases))...)
	analysistest.Run(t, analysistest.TestData(), together(cases, seen), packages...)
	seen.check(t)
}

// together is all rules as one analyzer, so that what the packages import is read once: each rule looks at the packages
// of its cases, and at those that they import where it keeps facts.
func together(cases map[string][]string, seen plants) *analysis.Analyzer {
	rules := lint.Rules("m/app")
	all := &analysis.Analyzer{Name: "together", Doc: "all rules"}
	for _, r := range rules {
		all.FactTypes = append(all.FactTypes, r.FactTypes...)
	}
	packages := slices.Concat(slices.Collect(maps.Values(cases))...)
	all.Run = func(pass *analysis.Pass) (any, error) {
		pkg := strings.TrimSuffix(pass.Pkg.Path(), "_test")
		imported := !slices.Contains(packages, pkg)
		for _, r := range rules {
			mine := slices.Contains(cases[r.Name], pkg)
			if !mine && (len(r.FactTypes) == 0 || !imported) {
				continue
			}
			own := *pass
			own.Analyzer = r
			own.Report = func(d analysis.Diagnostic) {
				if mine {
					seen.add(r.Name, d.Message)
					pass.Report(d)
				}
			}
			if _, err := r.Run(&own); err != nil {
				return nil, err
			}
		}
		return nil, nil //nolint:nilnil // as the rules
	}
	return all
}

// An exemption can be written for every rule but the one about exemptions.
func TestEveryRuleIsKnown(t *testing.T) {
	t.Parallel()
	require.NoError(t, analysis.Validate(lint.Rules("m/app")))
	var names []string
	for _, a := range lint.Rules("m/app") {
		if a.Name != "exemption" {
			names = append(names, a.Name)
		}
	}
	require.Equal(t, lint.Exemptible(), names)
}

// The page for those who write plugins has a row or a place in a row for each rule.
func TestEveryRuleIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "writing-a-plugin.md"))
	require.NoError(t, err)
	for _, a := range lint.Rules("m/app") {
		require.Regexp(t, "(?m)^\\|[^|]*`"+a.Name+"`[^|]*\\|", string(page), "the table of rules says nothing of %s", a.Name)
	}
}

// collected takes what analysistest would complain about.
type collected []string

// Errorf implements analysistest.Testing.
func (c *collected) Errorf(format string, args ...any) { *c = append(*c, fmt.Sprintf(format, args...)) }

// A file that only another system builds is read as well; analysistest knows no expectations in such files.
func TestImportsOfOtherSystems(t *testing.T) {
	t.Parallel()
	var complaints collected
	analysistest.Run(&complaints, analysistest.TestData(), rule(t, "imports"), "m/domains/system/plugins")
	require.Len(t, complaints, 1)
	require.Contains(t, complaints[0], "x_plan9.go:3:8: unexpected diagnostic: a domain never imports another")
}
