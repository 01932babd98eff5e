package app_test

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/app/apptest"
)

// A repeat gets the answer of the first request byte for byte, with its status and headers, and does nothing.
func TestARepeatGetsTheSameAnswer(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		r := rings(t, db, func(p *ringer) {
			p.work = func(ctx context.Context, _ *ringAnswer) error {
				app.SetStatus(ctx, http.StatusAccepted)
				return nil
			}
		})
		first := r.order(key + "k1").Status(http.StatusAccepted)
		require.Equal(t, []string{"</a>", "</b>"}, first.Head["Link"])
		require.Contains(t, first.Body, `"price":0.3,"tiny":1e-7,"lines":[],"empty":[],"none":null,"rates":{"a":-0,"b":1e+21,"c":0.3333333333333333}`)
		require.Contains(t, first.Body, `"odd":{"a":1.50}`)
		same(t, first, r.order(key+"k1"))
		same(t, first, r.order(key+`"k1"`))
		r.took(1)

		other := r.order(key + "k2").Status(http.StatusAccepted)
		require.NotEqual(t, first.Body, other.Body)
		r.took(2)
		r.kept(2)
		r.order().Status(http.StatusAccepted)
		r.order().Status(http.StatusAccepted)
		r.took(4)
		r.kept(2)
	})
}

// An answer without a body is kept as well.
func TestARepeatGetsAnAnswerWithoutABody(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		r := rings(t, db, nil)
		first := r.send(http.MethodDelete, "/orders", "", key+"k").Status(http.StatusNoContent)
		same(t, first, r.send(http.MethodDelete, "/orders", "", key+"k"))
		require.Equal(t, 1, r.runs)
	})
}

// The answers outlive the process, and are deleted when they are old.
func TestAnswersAreKeptAndDeletedWhenTheyAreOld(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		r := rings(t, db, nil)
		first := r.order(key + "k").Status(http.StatusCreated)
		r.order(key + "old").Status(http.StatusCreated)
		r.Stop()

		r = rings(t, db, nil)
		same(t, first, r.order(key+"k"))
		require.NoError(t, r.DB().Exec("UPDATE plugboard_once SET stored_at = ? WHERE id = (SELECT id FROM plugboard_once ORDER BY stored_at DESC LIMIT 1)",
			time.Now().Add(-25*time.Hour).UnixMilli()).Error)
		r.Stop()

		r = rings(t, db, nil)
		require.Eventually(t, func() bool {
			var n int64
			require.NoError(t, r.DB().Table("plugboard_once").Count(&n).Error)
			return n == 1
		}, time.Minute, 10*time.Millisecond)
	})
}

// A key names one request.
func TestAKeyOfAnotherRequestIsRefused(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		r := rings(t, db, nil)
		first := r.order(key+"k", "X-Floor: 1").Status(http.StatusCreated)
		const refusal = "this Idempotency-Key was used for another request; use a new key for a new request"
		for _, other := range []*apptest.Answer{
			r.send(http.MethodPost, "/shops/s/orders", `{"name":"b"}`, key+"k", "X-Floor: 1"),
			r.send(http.MethodPost, "/shops/s/orders", `{"name": "a"}`, key+"k", "X-Floor: 1"),
			r.send(http.MethodPost, "/shops/s/orders?x=1", order, key+"k", "X-Floor: 1"),
			r.send(http.MethodPost, "/shops/other/orders", order, key+"k", "X-Floor: 1"),
			r.send(http.MethodPost, "/shops/s/orders", order, key+"k", "X-Floor: 2"),
			r.send(http.MethodPost, "/shops/s/orders", order, key+"k"),
			r.order(key+"k", "X-Floor: 1", "Cookie: cart=b"),
			r.order(key+"k", "X-Floor: 1", "Authorization: Bearer b"), // by which a guard may know the caller
		} {
			other.Status(http.StatusUnprocessableEntity).Fails(app.Invalid, refusal)
		}
		same(t, first, r.order(key+"k", "X-Floor: 1"))
		same(t, first, r.order(key+"k", "X-Floor: 1", "Cookie: other=b"))
		r.took(1)

		p1 := r.order(key+"k", "X-Floor: 1", "X-Principal: p1", "Authorization: Bearer old").Status(http.StatusCreated)
		same(t, p1, r.order(key+"k", "X-Floor: 1", "X-Principal: p1", "Authorization: Bearer new")) // the principal counts, not its session
		r.order(key+"k", "X-Floor: 1", "X-Principal: p2").Status(http.StatusCreated)
		r.send(http.MethodPut, "/shops/s/orders", order, key+"k").Status(http.StatusOK)
		r.took(4)
	})
}

// A stored answer is for those alone who may have it now: who has lost the permission, or may not see the thing any more, gets none.
func TestARepeatAsksWhoMayFirst(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		r := rings(t, db, nil)
		ask := func(id string, permissions ...string) *apptest.Answer {
			as := *r
			as.App = r.SignedIn(app.Principal{ID: id, Permissions: permissions})
			return as.send(http.MethodPost, "/shops/s/guarded", order, key+"k")
		}
		first := ask("ann", "tills.ring").Status(http.StatusOK)
		same(t, first, ask("ann", "tills.ring"))
		ask("ann").Fails(app.Forbidden, "this needs the permission tills.ring")
		r.send(http.MethodPost, "/shops/s/guarded", order, key+"k").Status(http.StatusUnauthorized)
		r.closed = true
		ask("ann", "tills.ring").Fails(app.NotFound, "there is no shop s")
		r.closed = false
		require.NotEqual(t, first.Body, ask("bob", "tills.ring").Status(http.StatusOK).Body, "bob's key is another")
		r.took(2)
	})
}

// A client makes a new boundary for each multipart body.
func TestTheBoundaryOfAFormDoesNotCount(t *testing.T) {
	t.Parallel()
	r := rings(t, apptest.SQLite(t), nil)
	upload := func(content, name string) *apptest.Answer {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		part, err := form.CreateFormFile("file", name)
		require.NoError(t, err)
		_, err = part.Write([]byte(content))
		require.NoError(t, err)
		require.NoError(t, form.Close())
		return r.send(http.MethodPost, "/uploads", body.String(), key+"k", "Content-Type: "+form.FormDataContentType())
	}
	same(t, upload("abc", "a.txt").Status(http.StatusOK), upload("abc", "a.txt"))
	upload("abd", "a.txt").Status(http.StatusUnprocessableEntity)
	upload("abc", "b.txt").Status(http.StatusUnprocessableEntity)
}

// What failed is not kept, and a repeat does the work.
func TestFailuresAreNotKept(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		r := rings(t, db, nil)
		for _, c := range []struct {
			status int
			work   func(ctx context.Context, a *ringAnswer) error
		}{
			{http.StatusConflict, func(context.Context, *ringAnswer) error { return app.Errorf(app.Conflict, "sold out") }},
			{http.StatusInternalServerError, func(context.Context, *ringAnswer) error { panic("broken") }},
			{http.StatusInternalServerError, func(_ context.Context, a *ringAnswer) error {
				a.Lines = []string{strings.Repeat("x", 64<<10)}
				return nil
			}},
			{http.StatusInternalServerError, func(ctx context.Context, _ *ringAnswer) error {
				app.SetHeader(ctx, "X-Large", strings.Repeat("x", 64<<10))
				return nil
			}},
			{http.StatusInternalServerError, func(ctx context.Context, _ *ringAnswer) error {
				app.SetStatus(ctx, http.StatusConflict)
				return nil
			}},
			{http.StatusInternalServerError, func(ctx context.Context, _ *ringAnswer) error {
				return app.SetCookie(ctx, app.Cookie{Name: "a", Value: "b"})
			}},
		} {
			r.work = c.work
			r.order(key + "k").Status(c.status)
			r.took(0)
			r.kept(0)
		}
		r.work = nil
		r.order(key + "k").Status(http.StatusCreated)
		r.took(1)
	})
}

// What the handler sets before app.Once is set by each request; what it does afterwards does not reach the caller.
func TestTheAnswerIsThatOfOnce(t *testing.T) {
	t.Parallel()
	r := rings(t, apptest.SQLite(t), nil)
	n := 0
	r.around = func(ctx context.Context, once func(context.Context) (ringAnswer, error)) (ringAnswer, error) {
		n++
		app.SetHeader(ctx, "X-Before", fmt.Sprint(n))
		answer, err := once(ctx)
		answer.Price = 7
		app.SetStatus(ctx, http.StatusAccepted)
		return answer, err
	}
	first := r.order(key+"k").Status(http.StatusCreated).Header("X-Before", "1")
	again := r.order(key+"k").Status(http.StatusCreated).Header("X-Before", "2")
	require.Equal(t, first.Body, again.Body)
	require.NotContains(t, first.Body, `"price":7`)
}

// Each of these is a bug of the plugin: it is answered 500, logged with what is wrong, and leaves nothing behind.
func TestMisusesOfOnceAreBugs(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		r := rings(t, db, nil)
		for _, c := range []struct {
			logged string
			around func(ctx context.Context, once func(context.Context) (ringAnswer, error)) (ringAnswer, error)
		}{
			{"succeeded without app.Once", func(context.Context, func(context.Context) (ringAnswer, error)) (ringAnswer, error) {
				return ringAnswer{}, nil
			}},
			{"a transaction is open here already", func(ctx context.Context, once func(context.Context) (ringAnswer, error)) (a ringAnswer, err error) {
				err = app.InTx(ctx, r.db, func(ctx context.Context) error {
					a, err = once(ctx)
					return err
				})
				return a, err
			}},
			{"is not the one that the host gives", func(ctx context.Context, _ func(context.Context) (ringAnswer, error)) (ringAnswer, error) {
				return app.Once(ctx, &gorm.DB{Statement: &gorm.Statement{}}, func(context.Context) (ringAnswer, error) { return ringAnswer{}, nil })
			}},
		} {
			r.around = c.around
			r.order(key+"k").Status(http.StatusInternalServerError).Fails(app.Internal, "internal error")
			logged := r.logs.TakeAll()
			require.Len(t, logged, 1)
			require.Contains(t, logged[0].ContextMap()["error"], c.logged)
			require.Equal(t, "tills.ring", logged[0].ContextMap()["plugin"])
			r.took(0)
		}
		r.around = nil
		r.send(http.MethodPost, "/shops/s/plain", order).Status(http.StatusInternalServerError)
		require.Contains(t, r.logs.TakeAll()[0].ContextMap()["error"], "no request to an endpoint with app.Idempotent()")
		r.around = func(ctx context.Context, once func(context.Context) (ringAnswer, error)) (ringAnswer, error) {
			_, err := once(ctx)
			require.NoError(t, err)
			return once(ctx)
		}
		r.order(key + "twice").Status(http.StatusInternalServerError)
		require.Contains(t, r.logs.TakeAll()[0].ContextMap()["error"], "it was called before in this request")
	})
}

// While a request is worked on, its repeats are refused at once.
func TestConcurrentRepeatsAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		entered, leave := make(chan struct{}), make(chan struct{})
		r := rings(t, db, nil)
		r.work = func(context.Context, *ringAnswer) error {
			close(entered)
			<-leave
			return nil
		}
		first := make(chan *apptest.Answer, 1)
		go func() { first <- r.order(key + "k") }()
		<-entered
		r.work = nil

		const repeats = 16
		answers := make(chan *apptest.Answer, repeats)
		begin := time.Now()
		for range repeats {
			go func() { answers <- r.order(key + "k") }()
		}
		for range repeats { // each answer comes while the first request is held open
			(<-answers).Status(http.StatusConflict).Header("Retry-After", "1").
				Fails(app.Conflict, "a request with this Idempotency-Key is being worked on; repeat it later")
		}
		t.Logf("%d repeats were refused in %s while the first was worked on", repeats, time.Since(begin))
		close(leave)
		same(t, (<-first).Status(http.StatusCreated), r.order(key+"k"))
		r.took(1)
	})
}

// With all repeats at the same time, one does the work.
func TestOneOfManyRepeatsDoesTheWork(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		r := rings(t, db, nil)
		const repeats = 20
		answers := make(chan *apptest.Answer, repeats)
		for range repeats {
			go func() { answers <- r.order(key + "k") }()
		}
		bodies := map[string]int{}
		for range repeats {
			if a := <-answers; a.Code != http.StatusConflict {
				bodies[a.Status(http.StatusCreated).Body]++
			}
		}
		require.Len(t, bodies, 1)
		require.Equal(t, 1, r.runs)
		r.took(1)
	})
}

func TestMalformedKeysAreRefused(t *testing.T) {
	t.Parallel()
	r := rings(t, apptest.SQLite(t), nil)
	for _, given := range []string{`""`, `"a`, `"a"b`, `"a\b"`, "a b", "ä", `"a b"`, strings.Repeat("k", 256), `"a";b=1`, "\x7f"} {
		r.order(key+given).Fails(app.Malformed, "the header Idempotency-Key must be one key of 1 to 255 visible ASCII characters, as it is or in quotes")
	}
	r.took(0)
	for _, given := range []string{"k", `"a\"b\\"`, `a"b\`, strings.Repeat("k", 255), "a,b", "8e03978e-40d5-43dd-bc93-6894a57f9324"} {
		r.order(key + given).Status(http.StatusCreated)
	}
	r.took(5) // two of them are one key, with and without quotes
}
