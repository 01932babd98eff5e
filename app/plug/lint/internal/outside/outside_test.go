package outside_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app/plug/lint/internal/outside"
)

// library writes the files of a module, each by its path within, and returns its folder.
func library(t *testing.T, under string, files map[string]string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), under)
	for name, text := range files {
		name = filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o750))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
	return root
}

// A library that nobody knows is looked into: what it does decides, not what it could.
func TestAnUnknownLibraryIsLookedInto(t *testing.T) {
	t.Parallel()
	const mod = "module example.org/lib\n"
	cases := map[string]struct {
		files map[string]string
		want  string // "" when it is lawful
	}{
		"pure":             {map[string]string{"a.go": "package lib\n"}, ""},
		"dials":            {map[string]string{"a.go": "package lib\nimport \"net\"\nvar f = net.Dial\n"}, "net.Dial in example.org/lib/a.go"},
		"by another name":  {map[string]string{"a.go": "package lib\nimport x \"net\"\nvar f = x.DialTimeout\n"}, "x.DialTimeout in "},
		"only types":       {map[string]string{"a.go": "package lib\nimport \"net\"\nvar ip net.IP\nvar l net.Listener\n"}, ""},
		"given a client":   {map[string]string{"a.go": "package lib\nimport \"net/http\"\nfunc New(c *http.Client) {}\n"}, ""},
		"makes a client":   {map[string]string{"a.go": "package lib\nimport \"net/http\"\nvar c = &http.Client{}\n"}, "http.Client in "},
		"starts processes": {map[string]string{"a.go": "package lib\nimport \"os/exec\"\nvar f = exec.Command\n"}, "exec.Command in "},
		"is a driver":      {map[string]string{"a.go": "package lib\nimport \"database/sql\"\nfunc init() { sql.Register(\"x\", nil) }\n"}, "sql.Register in "},
		"saves to a file":  {map[string]string{"a.go": "package lib\nimport \"os\"\nfunc Save(name string) { os.Create(name) }\n"}, ""},
		"its tests dial":   {map[string]string{"a.go": "package lib\n", "a_test.go": "package lib\nimport \"net\"\nvar f = net.Dial\n"}, ""},
		"another system":   {map[string]string{"a.go": "package lib\n", "a_plan9.go": "package lib\nimport \"net\"\nvar f = net.Dial\n"}, ""},
		"a part of it": {map[string]string{
			"a.go": "package lib\nimport _ \"example.org/lib/internal/b\"\n", "internal/b/b.go": "package b\nimport \"net\"\nvar f = net.Dial\n",
		}, "net.Dial in example.org/lib/internal/b/b.go"},
		"not a part that it leaves out": {map[string]string{"a.go": "package lib\n", "server/b.go": "package b\nimport \"net\"\nvar f = net.Listen\n"}, ""},
		"on a known client":             {map[string]string{"a.go": "package lib\nimport _ \"github.com/redis/go-redis/v9\"\n"}, "github.com/redis/go-redis/v9 in "},
		"on a logger":                   {map[string]string{"a.go": "package lib\nimport _ \"github.com/sirupsen/logrus\"\n"}, ""},
		"broken":                        {map[string]string{"a.go": "package lib\nfunc {"}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.files["go.mod"] = mod
			inModule := library(t, "lib@v1.0.0", c.files)
			delete(c.files, "go.mod")
			vendored := library(t, "vendor/example.org/lib", c.files)
			for _, dir := range []string{inModule, vendored} {
				refusal := outside.NewKnown().Refusal("example.org/lib", filepath.Join(dir, "a.go"))
				if c.want == "" {
					require.Empty(t, refusal)
					continue
				}
				require.Contains(t, refusal, "example.org/lib reaches the outside by itself ("+c.want)
			}
		})
	}
}

// The longest path that is known decides; major versions do not matter.
func TestKnownLibraries(t *testing.T) {
	t.Parallel()
	known := outside.NewKnown()
	for path, want := range map[string]string{
		"github.com/jackc/pgx/v5/pgtype": "reaches a database", "github.com/nats-io/nats.go": "passes messages", "gopkg.in/mail.v2": "sends mail",
		"go.opentelemetry.io/otel/exporters/otlp/otlptrace": "opens connections", "github.com/prometheus/client_golang/prometheus/push": "opens connections",
		"github.com/prometheus/client_golang/prometheus/promhttp": "serves requests", "gorm.io/driver/mysql": "reaches a database", "github.com/aws/aws-sdk-go-v2/service/s3": "opens connections",
		"go.opentelemetry.io/otel/trace": "", "github.com/prometheus/client_golang/prometheus": "", "gorm.io/gorm/clause": "", "github.com/jackc/other": "", "golang.org/x/text": "",
		"github.com/stripe/stripe-go": "opens connections", "github.com/redisx/a": "",
	} {
		refusal := known.Refusal(path, "")
		if want == "" {
			require.Empty(t, refusal, path)
			continue
		}
		require.Contains(t, refusal, path+" "+want)
		require.Contains(t, refusal, "; ", "what to do instead")
	}
}

// Each package of the standard library that is refused has a lawful way in its message.
func TestStandard(t *testing.T) {
	t.Parallel()
	for path := range strings.FieldsSeq("os os/exec net net/smtp database/sql log log/slog unsafe syscall plugin flag") {
		require.NotEmpty(t, outside.Standard(path), path)
	}
	for path := range strings.FieldsSeq("context database/sql/driver net/http net/url net/netip net/mail crypto/tls embed time sync text/template archive/zip path/filepath") {
		require.Empty(t, outside.Standard(path), path)
	}
}
