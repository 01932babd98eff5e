package sharedlimit_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
)

type callPlugin struct{}

// OnBoot implements app.Booter.
func (p *callPlugin) OnBoot(b *app.Boot) {
	b.GET("/call", app.Handle(p.Execute), app.SignedIn(), app.Limit(requests, time.Second, app.PerPrincipal.Shared()))
	b.GET("/hour", app.Handle(p.Execute), app.Public(), app.Limit(2, time.Hour, app.PerClient.Shared()))
}

// Execute answers.
func (p *callPlugin) Execute(context.Context, app.Empty) (app.Empty, error) { return app.Empty{}, nil }

func calls() app.DomainModule {
	return app.Domain("calls", app.Plugin[*callPlugin]("calls.call", func() *callPlugin { return &callPlugin{} }))
}

// requests are let through in a second.
const requests = 100

// Three processes over one database let through together, of one principal's requests, what the limit says: n at once, and then n in each
// second, within 5 %.
func TestThreeProcessesCountTogether(t *testing.T) {
	t.Parallel()
	db := apptest.Postgres(t)
	var replicas []*apptest.App
	for range 3 {
		replicas = append(replicas, apptest.New(t, db, calls()).SignedIn(app.Principal{ID: "ann"}))
	}
	var through, refused, other atomic.Int64
	var hammering sync.WaitGroup
	began := time.Now()
	ends := began.Add(3 * time.Second)
	for _, replica := range replicas {
		for range 2 {
			hammering.Go(func() {
				for time.Now().Before(ends) {
					switch replica.GET("/call").Code {
					case http.StatusOK:
						through.Add(1)
					case http.StatusTooManyRequests:
						refused.Add(1)
					default:
						other.Add(1)
					}
				}
			})
		}
	}
	hammering.Wait()
	want := requests + requests*time.Since(began).Seconds()
	t.Logf("%d through, %.0f wanted, %d refused", through.Load(), want, refused.Load())
	require.Zero(t, other.Load())
	require.Positive(t, refused.Load(), "nothing was beyond the limit")
	require.InDelta(t, want, through.Load(), want*0.05)
}

// On either database a limit that is shared holds, also over a restart where the database counts.
func TestASharedLimitOnEitherDatabase(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := apptest.New(t, db, calls())
		for range 2 {
			h.GET("/hour").Status(http.StatusOK)
		}
		h.GET("/hour").Status(http.StatusTooManyRequests)
		elsewhere := httptest.NewRequest(http.MethodGet, "/hour", nil)
		elsewhere.RemoteAddr = "[2001:db8::1]:1"
		h.Do(elsewhere).Status(http.StatusOK)
		var sets []string
		for _, set := range h.Host().Migrations() {
			sets = append(sets, set.Domain)
		}
		if db.Dialect == "sqlite" {
			require.NotContains(t, sets, "ratelimit", "there is one process")
			return
		}
		require.Contains(t, sets, "ratelimit")
		apptest.New(t, db, calls()).GET("/hour").Status(http.StatusTooManyRequests)
	})
}
