package rules

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/fx"

	"plugboard/config"
	"plugboard/infra/host/application"
)

var settingName = regexp.MustCompile(`\bAPP_[A-Z0-9_]+[A-Z0-9]\b`)

// testDeployments is the rule that deployments and documents name real settings. The service refuses settings it does not know, so a
// mistyped one in a deployment is a service that does not start. The host's pages in docs/needs name settings of the reader's service.
func testDeployments(t *testing.T, s *site) {
	t.Helper()
	known, err := knownSettings(s.modules)
	if err != nil {
		t.Fatal(err)
	}
	problems, err := checkSettings(s.tree, known)
	if err != nil {
		t.Fatal(err)
	}
	report(t, problems)
}

// knownSettings are the names of the settings in the environment, those of the domains among them.
func knownSettings(modules fx.Option) (map[string]bool, error) {
	known := map[string]bool{"APP_CONFIG": true}
	settings, err := config.List(nil, application.Sections(modules)...)
	if err := config.WithoutMissing(err); err != nil {
		return nil, fmt.Errorf("list the settings: %w", err)
	}
	for _, s := range settings {
		known[s.Env] = true
		if s.Secret {
			known[s.Env+"_FILE"] = true
		}
	}
	return known, nil
}

// checkSettings finds settings that a deployment or a document names and that do not exist. A comment may name what is wrong.
func checkSettings(tree fs.FS, known map[string]bool) ([]string, error) {
	names, err := files(tree, func(name string) bool {
		return strings.HasPrefix(name, "deployments/") || strings.HasSuffix(name, ".md") && !strings.HasPrefix(name, "docs/needs/")
	})
	if err != nil {
		return nil, fmt.Errorf("find deployments: %w", err)
	}
	var problems []string
	for _, name := range names {
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return nil, fmt.Errorf("read deployments: %w", err)
		}
		number := 0
		for line := range strings.Lines(string(text)) {
			number++
			if strings.HasPrefix(strings.TrimSpace(line), "#") {
				continue
			}
			for _, setting := range settingName.FindAllString(line, -1) {
				if !known[setting] {
					problems = append(problems, fmt.Sprintf("%s:%d names the setting %s, which does not exist", name, number, setting))
				}
			}
		}
	}
	return problems, nil
}
