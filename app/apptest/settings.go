package apptest

import (
	"testing"

	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/host/application"
)

// Settings is a part for [New] that changes settings. Make it with [Set] or [Setting].
type Settings struct {
	fx.Option
	part    *app.SettingsPart // what a domain of single plugins has, made by Set
	environ []string
	changes []func(*config.Config)
}

// Setting returns a part that gives a setting of the host's, or of a domain's own, the value that it would have in the environment:
//
//	apptest.Setting("APP_HTTP_BODY_LIMIT", "1024")
//
// It is read and checked as the service reads it, so an unknown name or a wrong value fails the test. The address and the database
// are the kit's.
func Setting(name, value string) Settings {
	return Settings{Option: fx.Options(), environ: []string{name + "=" + value}}
}

// Set returns a part that gives a domain's settings the values of settings, a struct that the domain has by app.Settings. All its fields
// count, empty ones too, and no rule is checked. A test of single plugins needs no app.Settings beside it.
//
//	apptest.Set(plugins.MailSettings{Sender: "shop@example.org", Timeout: time.Second})
func Set[T any](settings T) Settings {
	part := app.Settings[T]()
	set := Configure(func(cfg *config.Config) { *cfg = cfg.With(settings) })
	set.part = &part
	return set
}

// Configure returns a part that changes the settings; those it leaves alone have their defaults. The address and the database are the
// kit's. It is for the host's own tests, since the settings' type is the host's; others use [Setting].
func Configure(change func(*config.Config)) Settings {
	return Settings{Option: fx.Options(), changes: []func(*config.Config){change}}
}

// load reads the settings, of which the domains' own must not be given.
func (s *sorted) load(t testing.TB) config.Config {
	t.Helper()
	cfg, err := config.Load(s.environ, application.Sections(s.own())...)
	if err := config.WithoutMissing(err); err != nil {
		t.Fatalf("settings of the test: %v", err)
	}
	return cfg
}

// add adds settings that the test gives.
func (s *sorted) add(given Settings) {
	s.environ = append(s.environ, given.environ...)
	s.settings = append(s.settings, given.changes...)
	if given.part != nil {
		s.set = append(s.set, *given.part)
	}
}
