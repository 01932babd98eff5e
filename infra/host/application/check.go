package application

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
	"plugboard/infra/httpserver"
	"plugboard/infra/workpool"
)

var (
	pluginFile    = regexp.MustCompile(`(?:^|/)domains/([^/]+)/plugins/([^/]+)\.go:\d+$`)
	domainFile    = regexp.MustCompile(`(?:^|/)domains/([^/]+)/[^/]+\.go:\d+$`)
	domainName    = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	migrationFile = regexp.MustCompile(`^(\d+)_[a-z0-9_]+\.sql$`)
)

// check returns the mistakes in the list of modules itself.
func (inv *inventory) check() error {
	return errors.Join(inv.checkPlugins(), inv.checkDomains())
}

func (inv *inventory) checkPlugins() error {
	var problems []error
	first := map[string]*plugin{}
	for _, p := range inv.plugins {
		problems = append(problems, p.checkName())
		before, taken := first[p.Info.Name]
		switch {
		case !taken:
			first[p.Info.Name] = p
		case before.Info.Source == p.Info.Source:
			problems = append(problems, fmt.Errorf("plugin %s (%s) is listed twice; list it once", p.Info.Name, p.Info.Source))
		default:
			problems = append(problems, fmt.Errorf("two plugins are named %s: %s and %s; name one of them after its own file",
				p.Info.Name, before.Info.Source, p.Info.Source))
		}
	}
	return errors.Join(problems...)
}

// checkName compares the name of a plugin with its file and its domain.
func (p *plugin) checkName() error {
	if m := pluginFile.FindStringSubmatch(p.Info.Source); m != nil && p.Info.Name != m[1]+"."+m[2] {
		return fmt.Errorf("plugin %s (%s) must be named %s.%s, after its domain and file", p.Info.Name, p.Info.Source, m[1], m[2])
	}
	if p.domain != nil && !strings.HasPrefix(p.Info.Name, p.domain.Name+".") {
		return fmt.Errorf("plugin %s (%s) is listed in the domain %s (%s); list it in its own, or name it %s.<file>",
			p.Info.Name, p.Info.Source, p.domain.Name, p.domain.Source, p.domain.Name)
	}
	return nil
}

func (inv *inventory) checkDomains() error {
	var problems []error
	for _, stray := range inv.strays {
		problems = append(problems, fmt.Errorf("%s is listed outside of a domain; give it to app.Domain", stray))
	}
	first := map[string]*domain{}
	for _, d := range inv.domains {
		if m := domainFile.FindStringSubmatch(d.Source); m != nil && d.Name != m[1] {
			problems = append(problems, fmt.Errorf("domain %s (%s) must be named %s, after its folder", d.Name, d.Source, m[1]))
		}
		if !domainName.MatchString(d.Name) {
			problems = append(problems, fmt.Errorf("domain %q (%s) must be named in lower case letters, digits and _", d.Name, d.Source))
		}
		if before, taken := first[d.Name]; taken {
			problems = append(problems, fmt.Errorf("two domains are named %s: %s and %s", d.Name, before.Source, d.Source))
		} else {
			first[d.Name] = d
		}
		problems = append(problems, d.checkMigrations(), d.checkEvery(), d.checkPermissions())
	}
	return errors.Join(problems...)
}

// checkEvery finds options that describe one endpoint alone.
func (d *domain) checkEvery() error {
	var problems []error
	for _, part := range d.every {
		if slices.Contains(part.Options, nil) {
			problems = append(problems, fmt.Errorf("domain %s (%s): app.Every has an option that is nil; leave it out", d.Name, part.Source))
		}
	}
	all := app.CollectEndpointOptions(d.everyOf())
	for _, option := range []struct {
		name  string
		given bool
	}{
		{"app.Summary", all.Summary != ""}, {"app.Status", len(all.Statuses) > 0}, {"app.Produces", len(all.Produces) > 0},
		{"app.Accepts", len(all.Accepts) > 0}, {"app.Takes", all.Takes != nil}, {"app.Answers", all.Answers != nil},
	} {
		if option.given {
			problems = append(problems, fmt.Errorf("domain %s (%s): %s describes one endpoint; give it there, and not by app.Every",
				d.Name, d.every[0].Source, option.name))
		}
	}
	return errors.Join(problems...)
}

var permissionName = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$`)

// checkPermissions finds permissions that are not named after their domain, are declared twice, or mean nothing.
func (d *domain) checkPermissions() error {
	var problems []error
	first := map[string]string{}
	for _, p := range d.permits {
		where := fmt.Sprintf("domain %s (%s): the permission %q", d.Name, p.Source, p.Name)
		switch before, taken := first[p.Name]; {
		case !permissionName.MatchString(p.Name) || !strings.HasPrefix(p.Name, d.Name+"."):
			problems = append(problems, fmt.Errorf("%s must be named %s.<what>, in lower case letters, digits, _ and dots", where, d.Name))
		case taken:
			problems = append(problems, fmt.Errorf("%s is declared at %s already; declare it once", where, before))
		case strings.TrimSpace(p.Meaning) == "":
			problems = append(problems, fmt.Errorf("%s does not say what it lets somebody do", where))
		}
		first[p.Name] = p.Source
	}
	return errors.Join(problems...)
}

// checkDeclared returns an error for each endpoint whose permission no domain declares.
func checkDeclared(routes []httpserver.Route, declared app.Permissions) (problems []error) {
	for _, r := range routes {
		if name := r.Access.Permission; name != "" && !declared.Has(name) {
			problems = append(problems, fmt.Errorf("plugin %s (%s): %s %s: no domain declares the permission %q: %s",
				r.Plugin, FromRoot(r.Source), r.Method, r.Path, name, declaring(name, declared)))
		}
	}
	return problems
}

// declaring says how the permission could be declared, or which one may be meant.
func declaring(name string, declared app.Permissions) string {
	names := make([]string, len(declared))
	for i, p := range declared {
		names[i] = p.Name
	}
	if near, ok := config.Nearest(name, names, len(name)/4); ok {
		return fmt.Sprintf("did you mean %q?", near)
	}
	domain, _, _ := strings.Cut(name, ".")
	return fmt.Sprintf("add app.Permission(%q, \"what it lets somebody do\") to the list of the domain %s", name, domain)
}

func (d *domain) checkMigrations() error {
	if len(d.migrations) > 1 {
		return fmt.Errorf("domain %s (%s) has app.Migrations %d times; give it once", d.Name, d.Source, len(d.migrations))
	}
	var problems []error
	for _, files := range d.migrations {
		versions := map[string][]string{}
		for _, dialect := range []string{"sqlite", "postgres"} {
			found, err := d.checkFolder(files, dialect)
			problems = append(problems, err)
			versions[dialect] = found
		}
		if problem := errors.Join(problems...); problem == nil && !slices.Equal(versions["sqlite"], versions["postgres"]) {
			problems = append(problems, fmt.Errorf("domain %s (%s): the migrations differ: sqlite has versions %s, postgres has %s",
				d.Name, d.Source, strings.Join(versions["sqlite"], ", "), strings.Join(versions["postgres"], ", ")))
		}
	}
	return errors.Join(problems...)
}

// checkFolder returns the versions of one dialect's migrations.
func (d *domain) checkFolder(files fs.FS, dialect string) ([]string, error) {
	if files == nil {
		return nil, fmt.Errorf("domain %s (%s): app.Migrations(nil); give it the embedded files", d.Name, d.Source)
	}
	entries, err := fs.ReadDir(files, dialect)
	if err != nil {
		return nil, fmt.Errorf("domain %s (%s): its migrations have no folder %s; embed it beside the other: %w", d.Name, d.Source, dialect, err)
	}
	var problems []error
	var versions []string
	for _, e := range entries {
		m := migrationFile.FindStringSubmatch(e.Name())
		switch {
		case m == nil:
			problems = append(problems, fmt.Errorf("domain %s (%s): the migration %s/%s must be named like 00001_what_it_does.sql",
				d.Name, d.Source, dialect, e.Name()))
		case slices.Contains(versions, strings.TrimLeft(m[1], "0")):
			problems = append(problems, fmt.Errorf("domain %s (%s): two migrations in %s have the version %s", d.Name, d.Source, dialect, m[1]))
		default:
			versions = append(versions, strings.TrimLeft(m[1], "0"))
		}
	}
	return versions, errors.Join(problems...)
}

// checkListed returns an error for each plugin that booted and is not in the inventory. The host would miss the
// migrations of its domain.
func (inv *inventory) checkListed(booted []app.BootedPlugin) error {
	listed := make(map[string]bool, len(inv.plugins))
	for _, p := range inv.plugins {
		listed[p.Info.Name] = true
	}
	var problems []error
	for _, b := range booted {
		if p := b.Boot.Plugin(); !listed[p.Name] {
			problems = append(problems, fmt.Errorf("plugin %s (%s) is inside an fx.Module, which the host cannot look into; "+
				"list it, or its domain, with fx.Options", p.Name, p.Source))
		}
	}
	return errors.Join(problems...)
}

// checkEveries returns an error for each app.Every in the graph that is not in the inventory: its guards would guard nothing.
func (inv *inventory) checkEveries(sources []string) error {
	listed := map[string]bool{}
	for _, d := range inv.domains {
		for _, part := range d.every {
			listed[part.Source] = true
		}
	}
	var problems []error
	for _, source := range sources {
		if !listed[source] {
			problems = append(problems, fmt.Errorf("app.Every (%s) is outside of a domain, or inside an fx.Module, which the host cannot look into; "+
				"give it to app.Domain", source))
		}
	}
	return errors.Join(problems...)
}

// checkRegistrations checks the registrations of all plugins together. Reserved are the commands of the binary. When the graph could not be built, it uses a
// server and a bus that only check. With anyPermission, permissions need not be declared.
func (a *App) checkRegistrations(reserved []string, anyPermission bool) []error {
	var problems []error
	for _, p := range a.booted {
		problems = append(problems, p.Err)
	}
	problems = append(problems, a.checkRoutes(anyPermission)...)
	problems = append(problems, checkLoops(a.Loops())...)
	problems = append(problems, checkCommands(a.Commands(), reserved)...)
	return append(problems, a.checkEvents()...)
}

func (a *App) checkRoutes(anyPermission bool) []error {
	server := a.parts.Server
	if server == nil {
		server = checkOnlyServer(a.cfg)
	}
	problems := server.Check(endpointsOf(a.booted))
	if anyPermission || len(problems) > 0 { // a route that is wrong cannot be described
		return problems
	}
	return append(problems, checkDeclared(server.Routes(), a.inv.permissions())...)
}

func (a *App) checkEvents() []error {
	bus := a.parts.Bus
	if bus == nil {
		only, err := checkOnlyBus(a.cfg)
		if err != nil {
			return []error{err}
		}
		bus = only
	}
	return bus.Check(a.booted)
}

// checkOnlyServer makes a server that only checks routes. The diagnosis uses it when the graph could not be built.
func checkOnlyServer(cfg config.Config) *httpserver.Server {
	return httpserver.New(httpserver.Params{
		HTTP: cfg.HTTP, Logger: zap.NewNop(), Pool: workpool.New(cfg.Pool, zap.NewNop(), nil),
		Authenticator: somebody{}, DefaultRule: &httpserver.DefaultRule{}, // whether there is one is not known
	})
}

// somebody stands for an authenticator that the graph may have.
type somebody struct{}

// Authenticate implements app.Authenticator.
func (somebody) Authenticate(context.Context, *http.Request) (*app.Principal, error) {
	return nil, errors.New("authenticate: this server only checks")
}

// Schemes implements app.Authenticator.
func (somebody) Schemes() []app.SecurityScheme { return nil }

// checkOnlyBus makes a bus that only checks events. The diagnosis uses it when the graph could not be built.
func checkOnlyBus(cfg config.Config) (*eventbus.Bus, error) {
	db, err := database.New(cfg.Database, zap.NewNop())
	if err != nil {
		return nil, err
	}
	return eventbus.New(cfg.Events, db, zap.NewNop(), prometheus.NewRegistry())
}
