package rules

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/app/apptest/rules/internal/agree"
	"plugboard/app/apptest/rules/internal/matrix"
	"plugboard/infra/host"
	"plugboard/infra/host/application"
	"plugboard/infra/host/manifest"
	"plugboard/infra/host/openapi"
)

// accessOptions are what the options say of the rule access.
type accessOptions struct {
	callers   []func(t testing.TB, a *apptest.App) []Caller
	unwatched []string
	beside    []string
}

// Caller is somebody with credentials that the service's own authenticator judges, for [Callers].
type Caller struct {
	// Name is for the report, after "as": "a session that was revoked".
	Name string
	// Prepare gives a request the credentials. It is called many times.
	Prepare func(*http.Request)
	// Known is whom the authenticator must take the caller for, nil for nobody: then the caller is refused with 401. Of a principal, Permissions and
	// SignedInAt count: they say which endpoints let the caller in, and that the others refuse with 403, or 401 where [app.Fresh] does.
	Known *app.Principal
	// Status is what every endpoint that is not public refuses the caller with, where that is another status than Known says; 0 for none.
	Status int
}

// Callers has the subtest access call every endpoint as the callers that prepare returns, too: with sessions that are over, keys of
// a small scope, and whatever else the service's authenticator tells apart. Prepare is called once, with the started application. It may be
// given several times.
//
//	rules.Callers(func(t testing.TB, a *apptest.App) []rules.Caller {
//		ann := signIn(t, a, "ann", "products.write")
//		revoked := signIn(t, a, "bob")
//		a.As(revoked).DELETE("/sessions/current").Status(http.StatusOK)
//		return []rules.Caller{
//			{Name: "ann", Prepare: ann, Known: &app.Principal{Permissions: []string{"products.write"}, SignedInAt: time.Now()}},
//			{Name: "a session that was revoked", Prepare: revoked},
//		}
//	})
func Callers(prepare func(t testing.TB, a *apptest.App) []Caller) Option {
	return func(o *options) { o.access.callers = append(o.access.callers, prepare) }
}

// Unwatched names tables that the subtest access does not look at: those that a refused request may change, such as where an
// authenticator notes when a session was last used, and those that a loop changes meanwhile.
func Unwatched(tables ...string) Option {
	return func(o *options) { o.access.unwatched = append(o.access.unwatched, tables...) }
}

// ServedBeside names paths that a middleware of the service answers, and that are no endpoints: "/assets/*file". They have no access rule,
// so the subtest access fails for such paths as it knows of. The reason is for whoever reads the test, and must not be empty.
func ServedBeside(reason string, paths ...string) Option {
	return func(o *options) {
		if strings.TrimSpace(reason) == "" {
			o.problems = append(o.problems, fmt.Errorf("rules.ServedBeside(%q, …) has no reason; say why these paths are no endpoints", reason))
		}
		o.access.beside = append(o.access.beside, paths...)
	}
}

// Access holds a domain against the rule on access, which [Hold] holds a whole service against: it calls every endpoint as everybody. It is
// for the test of a domain with an authenticator, where the list of main.go is not at hand. Module is the domain and what it needs beside host.Infra.
func Access(t *testing.T, module fx.Option, opts ...Option) {
	t.Helper()
	s, err := newSite(".", fx.Options(host.Infra, module), opts)
	if err != nil {
		t.Fatal(err)
	}
	testAccess(t, s)
}

// testAccess is the rule that nobody gets where an endpoint does not let them in.
func testAccess(t *testing.T, s *site) {
	t.Helper()
	problems, err := s.checkAccess(t)
	if err != nil {
		t.Fatal(err)
	}
	report(t, problems)
}

// checkAccess calls every endpoint as everybody.
func (s *site) checkAccess(t *testing.T) ([]string, error) {
	t.Helper()
	type parts struct {
		fx.In

		Metrics       prometheus.Gatherer
		Permissions   app.Permissions
		Clock         app.Clock
		Authenticator app.Authenticator `optional:"true"`
	}
	var of parts
	a := s.running(t, apptest.SQLite(t).URL, fx.Invoke(func(p parts) { of = p }))
	routes, err := a.Routes()
	if err != nil {
		return nil, err
	}
	document, err := everything(a)
	if err != nil {
		return nil, err
	}
	kit, schemes := apptest.Around(t, a, of.Metrics), a.Server().Schemes()
	service := matrix.Service{
		Handler: a.Handler(), Routes: routes, Authenticated: of.Authenticator != nil, Schemes: schemes, Example: document.Example,
		Header: withoutCredentials(s.start.header, schemes), Beside: s.access.beside, Clock: of.Clock,
		State: func() (map[string]string, error) { return s.state(t.Context(), a.DB().Gorm(), kit) },
	}
	for _, p := range of.Permissions {
		service.Permissions = append(service.Permissions, p.Name)
	}
	for _, prepare := range s.access.callers {
		for _, c := range prepare(t, kit) {
			service.Callers = append(service.Callers, matrix.Caller(c))
		}
	}
	kit.WaitForEvents()
	return service.Hold()
}

// everything is the description of all endpoints, of those too that are in no document.
func everything(a *application.App) (*agree.Document, error) {
	service, err := a.Manifest()
	if err != nil {
		return nil, fmt.Errorf("describe the application: %w", err)
	}
	for i := range service.Endpoints {
		service.Endpoints[i].Hidden, service.Endpoints[i].Security = false, nil
	}
	text, err := openapi.Write(service, openapi.About{}, wordless{})
	if err != nil {
		return nil, fmt.Errorf("describe the application: %w", err)
	}
	return agree.Read(text)
}

// wordless says nothing: generated requests need no words.
type wordless struct{}

// Operation implements openapi.Texts.
func (wordless) Operation(manifest.Endpoint) openapi.Words { return openapi.Words{} }

// Declaration implements openapi.Texts.
func (wordless) Declaration(string) string { return "" }

// Tag implements openapi.Texts.
func (wordless) Tag(string) string { return "" }

// withoutCredentials returns the headers that guards want, without those that tell who calls.
func withoutCredentials(h http.Header, schemes []app.SecurityScheme) http.Header {
	h = h.Clone()
	h.Del("Authorization")
	h.Del("Cookie")
	for _, s := range schemes {
		if s.In == "header" {
			h.Del(s.Key)
		}
	}
	return h
}

// changing are the host's own tables that change by themselves, or that count requests.
var changing = []string{ //nolint:gochecknoglobals // a table
	"bus_deliveries", "bus_subscriptions", "bus_processes", "bus_sequences", "bus_floors", "bus_schedules", "ratelimit_counts",
}

// state returns digests of what is in the tables, and how many events were published.
func (s *site) state(ctx context.Context, db *gorm.DB, kit *apptest.App) (map[string]string, error) {
	var tables []string
	db = db.WithContext(ctx)
	if err := db.Raw("SELECT name FROM sqlite_master WHERE type = 'table'").Scan(&tables).Error; err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	state := map[string]string{"the events": fmt.Sprint(kit.Metric("plugboard_events_published_total"))}
	for _, name := range tables {
		if contains(changing, name) || contains(s.access.unwatched, name) {
			continue
		}
		digest, err := digestOf(db, name)
		if err != nil {
			return nil, fmt.Errorf("read table %s: %w", name, err)
		}
		state["the table "+name] = digest
	}
	return state, nil
}

// digestOf returns a digest of the rows of a table, in whatever order they are.
func digestOf(db *gorm.DB, table string) (digest string, err error) {
	rows, err := db.Table(table).Rows()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return "", err
	}
	var all []string
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return "", err
		}
		all = append(all, fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, values...))))
	}
	slices.Sort(all)
	return fmt.Sprintf("%d rows %x", len(all), sha256.Sum256([]byte(strings.Join(all, "")))), rows.Err()
}
