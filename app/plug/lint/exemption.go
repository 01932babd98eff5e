package lint

import (
	"slices"
	"strings"
)

func exemptionRule() definition {
	return define("exemption", "an exemption names a rule and gives a reason", checkExemptions)
}

func checkExemptions(r rule) {
	for _, f := range r.Files {
		for _, group := range f.Comments {
			for _, c := range group.List {
				if !strings.HasPrefix(c.Text, allowPrefix) {
					continue
				}
				name, reason := parseAllow(c.Text)
				switch {
				case !slices.Contains(Exemptible(), name):
					r.Reportf(c.Pos(), "there is no rule %q; write %s <rule> <reason> with one of %s", name, allowPrefix, strings.Join(Exemptible(), ", "))
				case reason == "":
					r.Reportf(c.Pos(), "the exemption from %s gives no reason; add one behind the rule", name)
				}
			}
		}
	}
}

// Exemptible returns the rules that a line can be exempted from.
func Exemptible() []string {
	return []string{
		"imports", "schemas", "models", "shape", "listed", "permissions", "blocking", "goroutine", "tables",
		"transaction", "txcontext", "publish", "announced", "events", "secrets", "onboot", "once",
		"remote", "settings",
	}
}
