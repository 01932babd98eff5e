package rules

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/infra/host"
)

// The service of these tests: a vault with endpoints of all kinds, and an authenticator that has sessions.

type vaultRequest struct {
	ID   int64  `uri:"id" json:"-"`
	Note string `json:"note" binding:"required,max=20"`
}

type emptyVaultRequest struct {
	ID int64 `uri:"id"`
}

type knockRequest struct {
	Name string `json:"name" binding:"required,max=20"`
}

type vaultData struct {
	Note string `json:"note"`
}

type vaultOpened struct {
	ID int64 `json:"id"`
}

func (vaultOpened) Topic() string { return "vault.opened" }

type vaultPlugin struct {
	db  *gorm.DB
	bus app.Bus
}

// OnBoot registers an endpoint of each kind.
func (p *vaultPlugin) OnBoot(b *app.Boot) {
	b.Publishes(vaultOpened{})
	b.GET("/vault", app.Handle(p.read), app.SignedIn())
	b.POST("/vault/:id", app.Handle(p.open), app.Can("vault.open"))
	b.DELETE("/vault/:id", app.Handle(func(ctx context.Context, req emptyVaultRequest) (vaultData, error) {
		return p.open(ctx, vaultRequest{ID: req.ID, Note: "emptied"})
	}), app.Can("vault.empty"), app.Fresh(10*time.Minute))
	b.PUT("/vault/:id", app.Handle(p.open), app.SignedIn(), app.Allow(func(_ context.Context, req vaultRequest) error {
		if req.ID%2 == 0 {
			return app.Errorf(app.Forbidden, "this one is not yours")
		}
		return nil
	}))
	b.POST("/vault/count", app.HandleCPU(func(app.Job, knockRequest) (vaultData, error) { return vaultData{}, nil }), app.Can("vault.count"))
	b.GET("/vault/picture", app.Handle(func(context.Context, app.Empty) (app.Binary, error) {
		return app.Binary{ContentType: "text/plain", Bytes: []byte("x")}, nil
	}), app.Can("vault.look"))
	b.Raw(http.MethodGet, "/vault/feed", func(c *gin.Context) {
		c.Writer.WriteHeader(http.StatusOK)
		c.Writer.Flush()
		<-c.Request.Context().Done()
	}, app.Can("vault.follow"), app.Timeout(0))
	b.Raw(http.MethodPost, "/vault/raw", func(c *gin.Context) { c.Status(http.StatusNoContent) }, app.Can("vault.open"), app.Hidden())
	b.GET("/vault/guarded", app.Handle(p.read), app.SignedIn(), app.Guard(func(ctx context.Context, r *http.Request) (context.Context, error) {
		if r.Header.Get("X-Key") != "sesame" {
			return ctx, app.Errorf(app.Unauthorized, "the key is missing or wrong")
		}
		return ctx, nil
	}))
	b.POST("/vault/close", app.Handle(p.read), app.SignedIn()) // takes nothing
	b.GET("/hours", app.Handle(p.read), app.Public())
	b.POST("/door", app.Handle(func(context.Context, knockRequest) (app.Empty, error) {
		return app.Empty{}, app.Errorf(app.Unauthorized, "name or password is wrong")
	}), app.Public(), app.Fails(app.Unauthorized))
}

func (p *vaultPlugin) read(context.Context, app.Empty) (vaultData, error) { return vaultData{"x"}, nil }

func (p *vaultPlugin) open(ctx context.Context, req vaultRequest) (vaultData, error) {
	return vaultData{req.Note}, app.InTx(ctx, p.db, func(ctx context.Context) error {
		if err := p.db.WithContext(ctx).Exec("INSERT INTO vault_visits (note) VALUES (?)", req.Note).Error; err != nil {
			return err
		}
		return p.bus.Publish(ctx, vaultOpened{ID: req.ID})
	})
}

func vault() app.DomainModule {
	const table = "-- +goose Up\nCREATE TABLE vault_visits (note text NOT NULL);\n"
	parts := []fx.Option{
		app.Migrations(fstest.MapFS{"sqlite/00001_vault.sql": {Data: []byte(table)}, "postgres/00001_vault.sql": {Data: []byte(table)}}),
		app.Plugin[*vaultPlugin]("vault.serve", func(db *gorm.DB, bus app.Bus) *vaultPlugin { return &vaultPlugin{db, bus} }),
	}
	for _, name := range []string{"vault.open", "vault.empty", "vault.count", "vault.look", "vault.follow"} {
		parts = append(parts, app.Permission(name, "Do it"))
	}
	return app.Domain("vault", parts...)
}

// session is what a token or a cookie stands for.
type session struct {
	app.Principal

	over, revoked, disabled bool
	scope                   []string // of a key, less than its user may
}

// sessions is an app.Authenticator.
type sessions struct {
	all map[string]session
	db  *gorm.DB
	// hole is what is wrong with it; "" for nothing.
	hole string
}

func someSessions() map[string]session {
	ann := app.Principal{ID: "ann", Permissions: []string{"vault.open"}, SignedInAt: time.Now()}
	old := ann
	old.SignedInAt = time.Now().Add(-time.Hour)
	root := app.Principal{ID: "root", Permissions: []string{app.AllPermissions}, SignedInAt: time.Now()}
	oldRoot := root
	oldRoot.SignedInAt = old.SignedInAt
	return map[string]session{
		"ann": {Principal: ann}, "root": {Principal: root}, "old": {Principal: oldRoot},
		"over": {Principal: root, over: true}, "revoked": {Principal: root, revoked: true}, "disabled": {Principal: root, disabled: true},
		"key": {Principal: app.Principal{ID: "root", Permissions: root.Permissions}, scope: []string{"vault.look"}},
	}
}

// Authenticate implements app.Authenticator.
func (s *sessions) Authenticate(ctx context.Context, r *http.Request) (*app.Principal, error) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	cookie, _ := r.Cookie("sid")
	switch {
	case s.hole == "believes a proxy" && r.Header.Get("X-Forwarded-User") != "":
		return &app.Principal{ID: r.Header.Get("X-Forwarded-User")}, nil
	case s.hole == "a principal for nobody" && token == "" && cookie == nil:
		return &app.Principal{ID: "guest"}, nil
	case token == "" && cookie == nil:
		return nil, nil //nolint:nilnil // nobody
	case s.hole == "writes":
		if err := s.db.WithContext(ctx).Exec("INSERT INTO vault_visits (note) VALUES ('tried')").Error; err != nil {
			return nil, err
		}
	case s.hole == "any token" && token != "" && !strings.HasPrefix(r.Header.Get("Authorization"), "Basic"):
		return &app.Principal{ID: "any"}, nil
	case s.hole == "any password" && strings.HasPrefix(token, "Basic "):
		return &app.Principal{ID: "any"}, nil
	case s.hole == "any cookie" && cookie != nil && s.all[cookie.Value].ID == "":
		return &app.Principal{ID: "any"}, nil
	case s.hole == "unsigned tokens" && strings.HasPrefix(token, "ey"):
		return &app.Principal{ID: "admin"}, nil
	}
	if cookie != nil && token != "" && cookie.Value != token && s.hole != "the token wins" {
		return nil, app.Errorf(app.Unauthorized, "cookie and token disagree")
	}
	if token == "" {
		token = cookie.Value
	}
	return s.judge(token)
}

func (s *sessions) judge(token string) (*app.Principal, error) {
	is, ok := s.all[token]
	switch {
	case !ok && s.hole == "fails for unknown tokens":
		return nil, context.DeadlineExceeded
	case !ok:
		return nil, app.Errorf(app.Unauthorized, "nobody has this token")
	case is.over && s.hole != "sessions never end", is.revoked && s.hole != "revoked sessions live", is.disabled && s.hole != "disabled users live":
		return nil, app.Errorf(app.Unauthorized, "the session is over")
	}
	p := is.Principal
	if is.scope != nil && s.hole != "keys have no scope" {
		p.Permissions = is.scope
	}
	if s.hole == "everybody may all" {
		p.Permissions = []string{app.AllPermissions}
	}
	if s.hole == "always fresh" {
		p.SignedInAt = time.Now()
	}
	return &p, nil
}

// Schemes implements app.Authenticator.
func (s *sessions) Schemes() []app.SecurityScheme {
	if s.hole == "no schemes" {
		return nil
	}
	return []app.SecurityScheme{{Name: "bearer", Type: "http", Scheme: "bearer"}, {Name: "session", Type: "apiKey", In: "cookie", Key: "sid"}}
}

// vaultCallers are all kinds of callers that the authenticator tells apart.
func vaultCallers(t testing.TB, a *apptest.App) []Caller {
	t.Helper()
	a.As(bearer("ann")).GET("/vault").Status(http.StatusOK)
	known, now := someSessions(), time.Now()
	return []Caller{
		{Name: "ann", Prepare: bearer("ann"), Known: &app.Principal{Permissions: []string{"vault.open"}, SignedInAt: now}},
		{Name: "ann by cookie", Prepare: header("Cookie", "sid=ann"), Known: &app.Principal{Permissions: []string{"vault.open"}, SignedInAt: now}},
		{Name: "root", Prepare: bearer("root"), Known: &app.Principal{Permissions: []string{app.AllPermissions}, SignedInAt: now}},
		{Name: "root of an hour ago", Prepare: bearer("old"), Known: &app.Principal{Permissions: []string{app.AllPermissions}, SignedInAt: known["old"].SignedInAt}},
		{Name: "a key of a small scope", Prepare: bearer("key"), Known: &app.Principal{Permissions: []string{"vault.look"}}},
		{Name: "a session that is over", Prepare: bearer("over")},
		{Name: "a session that was revoked", Prepare: header("Cookie", "sid=revoked")},
		{Name: "a user who is disabled", Prepare: bearer("disabled")},
		{Name: "two who disagree", Status: http.StatusUnauthorized, Prepare: func(r *http.Request) { bearer("ann")(r); header("Cookie", "sid=root")(r) }},
	}
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func bearer(token string) func(*http.Request) { return header("Authorization", "Bearer "+token) }

// aroundVault is the vault's service with a hole in its authenticator, and with more modules.
func aroundVault(t *testing.T, hole string, more ...fx.Option) *site {
	t.Helper()
	authenticator := func(db *gorm.DB) app.Authenticator { return &sessions{someSessions(), db, hole} }
	modules := fx.Options(append([]fx.Option{host.Infra, fx.Provide(authenticator), vault()}, more...)...)
	s, err := newSite(".", modules, []Option{Callers(vaultCallers), Header("X-Key", "sesame"), Header("Authorization", "Bearer root")})
	require.NoError(t, err)
	return s
}
