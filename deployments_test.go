package main

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"plugboard/config"
)

var settingName = regexp.MustCompile(`\bAPP_[A-Z_]+[A-Z]\b`)

// checkSettings finds settings that a deployment or a document names and that do not exist. A comment may
// name what is wrong.
func checkSettings(t *testing.T, tree fs.FS) []string {
	t.Helper()
	known := map[string]bool{"APP_CONFIG": true}
	settings, err := config.List(nil)
	require.NoError(t, err)
	for _, s := range settings {
		known[s.Env] = true
	}
	var problems []string
	for _, name := range files(t, tree) {
		if !strings.HasPrefix(name, "deployments/") && !strings.HasSuffix(name, ".md") {
			continue
		}
		for line := range strings.SplitSeq(read(t, tree, name), "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "#") {
				continue
			}
			for _, setting := range settingName.FindAllString(line, -1) {
				if !known[setting] {
					problems = append(problems, name+" names the setting "+setting)
				}
			}
		}
	}
	return problems
}

// The service refuses settings it does not know, so a mistyped one in a deployment is a service that does
// not start.
func TestDeploymentsNameRealSettings(t *testing.T) {
	t.Parallel()
	require.Empty(t, checkSettings(t, repository()))

	planted := fstest.MapFS{"deployments/x.yaml": {Data: []byte("APP_HTTP_ADDR: a\nAPP_HTTP_ADRR: b\n# APP_PORT")}}
	require.Equal(t, []string{"deployments/x.yaml names the setting APP_HTTP_ADRR"}, checkSettings(t, planted))
}
