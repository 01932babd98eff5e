package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/config"
	"plugboard/docs/benchmarks/measure"
	"plugboard/domains/accounts"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/sessions"
	productmigrations "plugboard/domains/products/migrations"
	productmodels "plugboard/domains/products/models"
	products "plugboard/domains/products/plugins"
	"plugboard/infra/host"
	"plugboard/infra/host/application"
)

// compareAccess measures what it costs that a caller is known.
func compareAccess(ctx context.Context, b *bench) (measure.Section, error) {
	plan := b.plan(measure.Plan{Rounds: 30, Ops: 4000, Warmup: 2000})
	section := measure.Section{Title: "GET /products/:id, signed in against anonymous", Config: []string{
		fmt.Sprintf("Two services in one process, over loopback, in turn, %d requests a round over %d kept connections: the products domain open to everybody, and with app.Every(app.SignedIn()). Both with domains/accounts, and with the access log off.", plan.Ops, connections),
		"A signed-in request is one more indexed read of the database: nothing about a session is kept in memory, so that a revocation counts from the next request on in every replica.",
	}}
	dir, err := b.folder("access")
	if err != nil {
		return section, err
	}
	section.Findings, err = raceAccess(ctx, plan, "SQLite", 0.8, func(name string) (string, error) {
		return "sqlite:" + filepath.Join(dir, name+".db"), nil
	})
	if err != nil {
		return section, err
	}
	err = b.onPostgres(ctx, &section, "on Postgres: there is none: ", func(pg *postgres) ([]measure.Finding, error) {
		return raceAccess(ctx, plan, "Postgres", 0.5, func(name string) (string, error) {
			return pg.schema(ctx, strings.ReplaceAll(name, " ", "_"))
		})
	})
	return section, err
}

func raceAccess(ctx context.Context, plan measure.Plan, on string, least float64, at func(name string) (string, error)) ([]measure.Finding, error) {
	var sides []measure.Side
	var running []*application.App
	for _, access := range []struct {
		name   string
		option app.EndpointOption
	}{{"signed in", app.SignedIn()}, {"anonymous", app.Public()}} {
		url, err := at(access.name)
		if err != nil {
			return nil, err
		}
		service, token, err := startShop(ctx, url, access.option)
		if err != nil {
			return nil, err
		}
		running = append(running, service)
		request := "GET /products/1 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
		if access.name == "signed in" {
			request += "Authorization: Bearer " + token + "\r\n"
		}
		requests := load{addr: service.Addr(), conns: connections, status: http.StatusOK, request: func(int) []byte { return []byte(request + "\r\n") }}
		sides = append(sides, measure.Side{Name: access.name, Run: func(ctx context.Context, n int) (time.Duration, error) {
			return requests.send(ctx, 0, n)
		}})
	}
	rates, err := measure.Interleave(ctx, plan, sides...)
	for _, service := range running {
		err = errors.Join(err, service.Stop(ctx))
	}
	if err != nil {
		return nil, err
	}
	return []measure.Finding{rateFinding("GET /products/:id, "+on+": signed in / anonymous", rates[0], rates[1], measure.AtLeast(least))}, nil
}

// startShop starts a service with a product and a session, and returns the session's token.
func startShop(ctx context.Context, url string, access app.EndpointOption) (*application.App, string, error) {
	cfg := config.Default()
	cfg.Database.URL, cfg.HTTP.Addr, cfg.Ops.Addr, cfg.Log.Level, cfg.Log.Access = url, "127.0.0.1:0", "off", "error", false
	service, err := application.New(cfg, fx.Options(host.Infra, accounts.Module, app.Domain("products",
		app.Migrations(productmigrations.Files), app.Models(productmodels.Product{}), app.Every(access), products.GetProduct)))
	if err != nil {
		return nil, "", fmt.Errorf("put service together: %w", err)
	}
	if err := service.Start(ctx); err != nil {
		return nil, "", fmt.Errorf("start service: %w", err)
	}
	db, now := service.DB().Gorm().WithContext(ctx), time.Now().UTC()
	user := models.User{ID: sessions.NewID(), Email: "ada@example.org", PasswordChangedAt: now, CreatedAt: now}
	rows := []any{&productmodels.Product{Name: "Desk lamp", Price: 49.9}, &user, &models.UserRole{UserID: user.ID, Role: models.Administrator}}
	for _, row := range rows {
		if err := db.Create(row).Error; err != nil {
			return nil, "", fmt.Errorf("fill service: %w", err)
		}
	}
	store := sessions.New(db, app.SystemClock{}, sessions.Settings{Lifetime: time.Hour, Idle: time.Hour})
	token, err := store.Start(ctx, user.ID, sessions.Client{UserAgent: strings.Repeat("x", 100)}) //nolint:mnd // as long as a browser's
	return service, token, err
}
