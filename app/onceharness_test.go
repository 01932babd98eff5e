package app_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/app/apptest"
)

// till is a row of the table tills: an order that was placed.
type till struct {
	ID   int64
	Name string
}

func (till) TableName() string { return "tills" }

type tillRung struct {
	ID int64 `json:"id"`
}

func (tillRung) Topic() string { return "till.rung" }

type ringRequest struct {
	Shop  string `uri:"shop" json:"-"`
	Name  string `json:"name"`
	Floor string `header:"X-Floor" json:"-"`
	Cart  string `cookie:"cart" json:"-"`
}

// ringAnswer has what may not come out of JSON as it went in.
type ringAnswer struct {
	ID      int64              `json:"id,string"`
	At      time.Time          `json:"at"`
	Price   float64            `json:"price"`
	Tiny    float32            `json:"tiny"`
	Lines   []string           `json:"lines"`
	Empty   []string           `json:"empty"`
	None    *string            `json:"none"`
	Left    string             `json:"left,omitzero"`
	Rates   map[string]float64 `json:"rates"`
	Bytes   []byte             `json:"bytes"`
	Odd     oneWay             `json:"odd"`
	Strange string             `json:"strange"`
}

// oneWay writes JSON that it does not read.
type oneWay struct{}

func (oneWay) MarshalJSON() ([]byte, error)  { return []byte(`{ "a": 1.50 }`), nil }
func (oneWay) JSONSchema() string            { return `{"type":"object"}` }
func (*oneWay) UnmarshalJSON(_ []byte) error { return errors.New("not read") }

// ringer is the plugin under test. Work, if it is set, is what the function given to app.Once does after its row.
type ringer struct {
	db  *gorm.DB
	bus app.Bus

	mu   sync.Mutex
	runs int
	// closed has app.Allow refuse what is guarded.
	closed bool
	work   func(ctx context.Context, answer *ringAnswer) error
	// around, if it is set, is the handler.
	around func(ctx context.Context, once func(context.Context) (ringAnswer, error)) (ringAnswer, error)
}

func (p *ringer) OnBoot(b *app.Boot) {
	b.POST("/shops/:shop/orders", app.Handle(p.Execute), app.Idempotent(), app.Status(http.StatusCreated, http.StatusAccepted), app.Guard(actAs))
	b.PUT("/shops/:shop/orders", app.Handle(p.Execute), app.Idempotent(), app.Guard(actAs))
	b.POST("/uploads", app.Handle(p.Upload), app.Idempotent())
	b.DELETE("/orders", app.Handle(p.Clear), app.Idempotent(), app.Status(http.StatusNoContent))
	b.POST("/shops/:shop/plain", app.Handle(p.Execute))
	b.POST("/shops/:shop/guarded", app.Handle(p.Execute), app.Idempotent(), app.Can("tills.ring"), app.Allow(func(_ context.Context, req ringRequest) error {
		if p.closed {
			return app.Errorf(app.NotFound, "there is no shop %s", req.Shop)
		}
		return nil
	}))
	b.Publishes(tillRung{})
	b.Subscribe(app.On(func(context.Context, tillRung) error { return nil })) // else no event is stored
}

// actAs lets a test choose the principal.
func actAs(ctx context.Context, r *http.Request) (context.Context, error) {
	if id := r.Header.Get("X-Principal"); id != "" {
		app.CallFrom(ctx).Principal = &app.Principal{ID: id}
	}
	return ctx, nil
}

// Execute stores an order and announces it.
func (p *ringer) Execute(ctx context.Context, req ringRequest) (ringAnswer, error) {
	once := func(ctx context.Context) (ringAnswer, error) {
		return app.Once(ctx, p.db, func(ctx context.Context) (ringAnswer, error) { return p.ring(ctx, req.Name) })
	}
	if p.around != nil {
		return p.around(ctx, once)
	}
	return once(ctx)
}

func (p *ringer) ring(ctx context.Context, name string) (ringAnswer, error) {
	p.mu.Lock()
	p.runs++
	run, work := p.runs, p.work
	p.mu.Unlock()
	row := till{Name: name}
	if err := p.db.WithContext(ctx).Create(&row).Error; err != nil {
		return ringAnswer{}, err
	}
	if err := p.bus.Publish(ctx, tillRung{ID: row.ID}); err != nil {
		return ringAnswer{}, err
	}
	third := 1.0 / 3
	answer := ringAnswer{
		ID: row.ID, At: time.Date(2026, 1, 2, 3, 4, 5, 600000007*run%1e9, time.FixedZone("", 3600)), Price: third * 0.9, Tiny: 1e-7, Empty: []string{},
		Rates: map[string]float64{"b": 1e21, "a": math.Copysign(0, -1), "c": third}, Bytes: []byte{0, 255}, Strange: "<\u2028\xff>",
	}
	app.SetHeader(ctx, "Location", fmt.Sprint("/orders/", row.ID))
	app.AddHeader(ctx, "Link", "</a>")
	app.AddHeader(ctx, "Link", "</b>")
	if work != nil {
		if err := work(ctx, &answer); err != nil {
			return ringAnswer{}, err
		}
	}
	return answer, nil
}

type uploadRequest struct {
	File *app.File `form:"file" json:"-"`
}

// Upload answers with the size of a file.
func (p *ringer) Upload(ctx context.Context, req uploadRequest) (int, error) {
	return app.Once(ctx, p.db, func(context.Context) (int, error) { return len(req.File.Content), nil })
}

// Clear deletes all orders.
func (p *ringer) Clear(ctx context.Context, _ struct{}) (app.Empty, error) {
	return app.Once(ctx, p.db, func(ctx context.Context) (app.Empty, error) {
		p.mu.Lock()
		p.runs++
		p.mu.Unlock()
		return app.Empty{}, p.db.WithContext(ctx).Where("1 = 1").Delete(&till{}).Error
	})
}

// rung is a service with the plugin, and what it logged.
type rung struct {
	*apptest.App
	*ringer
	t    *testing.T
	logs *observer.ObservedLogs
}

// rings boots the plugin. Before says what it is like from the start.
func rings(t *testing.T, db apptest.Database, before func(*ringer), parts ...fx.Option) *rung {
	t.Helper()
	core, logs := observer.New(zap.WarnLevel)
	r := &rung{ringer: &ringer{}, t: t, logs: logs}
	if before != nil {
		before(r.ringer)
	}
	r.App = apptest.New(t, append(parts, db,
		fx.Decorate(func(*zap.Logger) *zap.Logger { return zap.New(core) }),
		app.Domain("tills",
			app.Migrations(migrations(`CREATE TABLE tills (id `+map[bool]string{true: "INTEGER", false: "SERIAL"}[strings.HasPrefix(db.URL, "sqlite")]+` PRIMARY KEY, name TEXT NOT NULL)`)),
			app.Models(till{}), app.Permission("tills.ring", "Ring tills"),
			app.Plugin[*ringer]("tills.ring", func(gdb *gorm.DB, bus app.Bus) *ringer {
				r.db, r.bus = gdb, bus
				return r.ringer
			})))...)
	return r
}

// send sends a request. Headers are "Name: value".
func (r *rung) send(method, path, body string, headers ...string) *apptest.Answer {
	request := httptest.NewRequestWithContext(r.t.Context(), method, path, strings.NewReader(body))
	if body == "" {
		request.Body, request.ContentLength = http.NoBody, 0
	}
	request.Header.Set("Content-Type", "application/json")
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	return r.Do(request)
}

const order = `{"name":"a"}`

func (r *rung) order(headers ...string) *apptest.Answer {
	return r.send(http.MethodPost, "/shops/s/orders", order, headers...)
}

// took says how many orders there are and were announced.
func (r *rung) took(want int) {
	r.t.Helper()
	for table, query := range map[string]*gorm.DB{"orders": r.DB().Model(&till{}), "events": r.DB().Table("bus_events").Where("topic = ?", "till.rung")} {
		var n int64
		require.NoError(r.t, query.Count(&n).Error)
		require.EqualValues(r.t, want, n, table)
	}
}

// kept says how many answers are stored.
func (r *rung) kept(want int) {
	r.t.Helper()
	var n int64
	require.NoError(r.t, r.DB().Table("plugboard_once").Count(&n).Error)
	require.EqualValues(r.t, want, n, "answers")
}

const key = "Idempotency-Key: "

// same says that two answers differ in nothing but their id and the mark of a repeat.
func same(t *testing.T, first, again *apptest.Answer) {
	t.Helper()
	require.Equal(t, first.Code, again.Code)
	require.Equal(t, first.Body, again.Body)
	require.Empty(t, first.Head["Idempotency-Replayed"])
	require.Equal(t, []string{"true"}, again.Head["Idempotency-Replayed"])
	head := again.Head.Clone()
	head.Del("Idempotency-Replayed")
	for _, h := range []http.Header{first.Head, head} {
		h.Del("X-Request-Id")
	}
	require.Equal(t, first.Head, head)
}
