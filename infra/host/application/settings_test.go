package application_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/infra/host/cli"
)

// courierSettings are the settings of the domain post.
type courierSettings struct {
	// Sender is who mail comes from.
	Sender   string        `key:"sender" binding:"required"`
	Password string        `key:"password" default:"" secret:"true"`
	Timeout  time.Duration `key:"timeout" default:"3s" binding:"min=1ms"`
}

type sendPost struct{ settings courierSettings }

func newSendPost(settings courierSettings) *sendPost { return &sendPost{settings} }

func (p *sendPost) OnBoot(b *app.Boot) { b.GET("/sender", app.Handle(p.Execute)) }

func (p *sendPost) Execute(context.Context, app.Empty) (string, error) { return p.settings.Sender, nil }

func postModules(parts ...fx.Option) fx.Option {
	return fx.Options(infra(), app.Domain("post", append(parts, app.Plugin[*sendPost]("post.send", newSendPost))...))
}

// The commands read a domain's settings like the host's own: checked, printed without secrets, described.
func TestCommandsReadTheSettingsOfDomains(t *testing.T) {
	t.Parallel()
	modules := postModules(app.Settings[courierSettings]())
	sender := append(inTemp(t), "APP_POST_SENDER=shop@example.org")

	code, stdout, stderr := run(t, modules, sender, "check")
	require.Equal(t, cli.ExitClean, code, stderr)
	require.Contains(t, stdout, "nothing is wrong")

	code, stdout, stderr = run(t, modules, append(sender, "APP_POST_PASSWORD=hunter2"), "check", "--print-config")
	require.Equal(t, cli.ExitClean, code, stderr)
	require.Regexp(t, `\nAPP_POST_SENDER +shop@example.org +env\nAPP_POST_PASSWORD +\*\*\* +env\nAPP_POST_TIMEOUT +3s +default\n$`, stdout)

	code, _, stderr = run(t, modules, append(inTemp(t), "APP_POST_TIMEOUT=3", "APP_POST_PASWORD=x"), "check")
	require.Equal(t, cli.ExitFailed, code)
	require.Equal(t, `the application cannot start; 3 problems:
  1. APP_POST_PASWORD is not a setting; did you mean APP_POST_PASSWORD?
  2. APP_POST_SENDER is not given; it must be a text
  3. APP_POST_TIMEOUT is "3"; it must be a duration with its unit, such as 500ms, 30s or 10m, of at least 1ms; the default is 3s
`, stderr)
	code, _, stderr = run(t, modules, append(inTemp(t), "APP_POST_TIMEOUT=3"), "serve")
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, stderr, "APP_POST_SENDER is not given")
}

// A description needs no value, so that documents are made anywhere.
func TestADescriptionNeedsNoValue(t *testing.T) {
	t.Parallel()
	modules := postModules(app.Settings[courierSettings]())
	for _, command := range []string{"describe", "routes", "graph"} {
		code, stdout, stderr := run(t, modules, inTemp(t), command)
		require.Equal(t, cli.ExitClean, code, stderr)
		if command != "describe" {
			continue
		}
		var d struct {
			Settings []map[string]any `json:"settings"`
		}
		require.NoError(t, json.Unmarshal([]byte(stdout), &d))
		require.Contains(t, d.Settings, map[string]any{
			"key": "post.password", "env": "APP_POST_PASSWORD", "default": "", "wanted": "a text", "secret": true,
			"package": "plugboard/infra/host/application_test", "field": "courierSettings.Password",
		})
	}
	code, _, stderr := run(t, modules, append(inTemp(t), "APP_POST_TIMEOUT=3"), "describe")
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, stderr, "APP_POST_TIMEOUT")
	require.NotContains(t, stderr, "APP_POST_SENDER")
}

func TestSettingsMistakes(t *testing.T) {
	t.Parallel()
	const here = "infra/host/application/settings_test.go:N"
	for name, c := range map[string]struct {
		modules fx.Option
		want    []string
	}{
		"not declared": {postModules(), []string{
			"plugin post.send (" + here + ") needs the settings application_test.courierSettings, which no domain has; " +
				"add app.Settings[application_test.courierSettings]() to the domain",
		}},
		"outside of a domain": {fx.Options(infra(), app.Settings[courierSettings]()), []string{
			"app.Settings (" + here + ") is listed outside of a domain; give it to app.Domain",
		}},
		"of two domains": {
			fx.Options(infra(), app.Domain("a", app.Settings[courierSettings]()), app.Domain("b", app.Settings[courierSettings]())),
			[]string{"application_test.courierSettings is in app.Settings twice: of domain a (" + here + ") and of domain b (" + here + "); each domain has a type of its own"},
		},
		"a section of the host's": {fx.Options(infra(), app.Domain("http", app.Settings[courierSettings]())), []string{
			`domain http (` + here + `) has app.Settings, but "http" is a section of the host's settings (package config); name the domain otherwise`,
		}},
		"a name of the host's": {
			fx.Options(infra(), app.Domain("http_read", app.Settings[courierSettings]())),
			[]string{"APP_HTTP_READ_TIMEOUT is the host's setting http.read_timeout and also setting courierSettings.Timeout of domain http_read (" + here + "); give one of them another key"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := run(t, c.modules, inTemp(t), "describe") // which needs no values
			require.Equal(t, cli.ExitFailed, code)
			require.Equal(t, strings.Join(c.want, "\n")+"\n", problems(errors.New(stderr)))
		})
	}
}

type wrongNeeds struct{ booting }

// Who asks for what is nearly provided is told what to ask for.
func TestNearlyWhatTheHostProvides(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ constructor any }{
		"http.Client, which nothing provides; ask for *http.Client":                   {func(http.Client) *wrongNeeds { return nil }},
		"*prometheus.Registry, which nothing provides; ask for prometheus.Registerer": {func(*prometheus.Registry) *wrongNeeds { return nil }},
		"*slog.Logger, which nothing provides; ask for *zap.Logger":                   {func(*slog.Logger) *wrongNeeds { return nil }},
		"*app.Mailer, which nothing provides; ask for app.Mailer":                     {func(*app.Mailer) *wrongNeeds { return nil }},
	} {
		code, _, stderr := run(t, fx.Options(infra(), app.Plugin[*wrongNeeds]("a.b", c.constructor)), inTemp(t), "check")
		require.Equal(t, cli.ExitFailed, code)
		require.Contains(t, stderr, name)
	}
}
