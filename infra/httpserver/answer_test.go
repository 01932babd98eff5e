package httpserver_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

// answering mounts GET /x with fn as its handler.
func answering[Res any](t testing.TB, fn func(context.Context) (Res, error), opts ...app.EndpointOption) kit {
	return serve(t, func(b *app.Boot) {
		b.GET("/x", app.Handle(func(ctx context.Context, _ nothing) (Res, error) { return fn(ctx) }), opts...)
	})
}

func TestFailuresBecomeEnvelopes(t *testing.T) {
	t.Parallel()
	internal := `{"success":false,"data":null,"error":"internal error","code":"internal"}`
	cases := map[string]struct {
		fn     func(ctx context.Context) error
		status int
		body   string
		logged int // warnings and errors
	}{
		"not found": {func(context.Context) error { return app.Errorf(app.NotFound, "product %d does not exist", 7) },
			404, `{"success":false,"data":null,"error":"product 7 does not exist","code":"not_found"}`, 0},
		"wrapped": {func(context.Context) error { return fmt.Errorf("get product: %w", app.Errorf(app.Conflict, "taken")) },
			409, `{"success":false,"data":null,"error":"taken","code":"conflict"}`, 0},
		"cause is not shown": {func(context.Context) error { return app.Errorf(app.Forbidden, "no").Because(errInternal) },
			403, `{"success":false,"data":null,"error":"no","code":"forbidden"}`, 0},
		"any error is internal": {func(context.Context) error { return errInternal }, 500, internal, 1},
		"panic":                 {func(context.Context) error { panic(errInternal) }, 500, internal, 1},
		"goroutine exit":        {func(context.Context) error { runtime.Goexit(); return nil }, 500, internal, 1},
		"deadline": {func(ctx context.Context) error { return fmt.Errorf("query: %w", context.DeadlineExceeded) },
			504, `{"success":false,"data":null,"error":"the request took too long","code":"timeout"}`, 1},
		"violations": {func(context.Context) error {
			return app.Violations{{Field: "to", Rule: "after", Message: "must be after from"}}
		},
			422, `{"success":false,"data":null,"error":"to must be after from","code":"invalid","details":[{"field":"to","rule":"after","message":"must be after from"}]}`, 0},
		"status overridden": {func(ctx context.Context) error { app.SetStatus(ctx, 410); return app.Errorf(app.NotFound, "gone") },
			410, `{"success":false,"data":null,"error":"gone","code":"not_found"}`, 0},
		"a failure is never a success": {func(ctx context.Context) error { app.SetStatus(ctx, 200); return app.Errorf(app.NotFound, "gone") },
			404, `{"success":false,"data":null,"error":"gone","code":"not_found"}`, 0},
		"absurd status": {func(ctx context.Context) error { app.SetStatus(ctx, 4040); return app.Errorf(app.NotFound, "gone") },
			500, `{"success":false,"data":null,"error":"internal error","code":"internal"}`, 1},
		"status below all": {func(ctx context.Context) error { app.SetStatus(ctx, 99); return app.Errorf(app.Unavailable, "full") },
			500, `{"success":false,"data":null,"error":"internal error","code":"internal"}`, 1},
		"status of no answer": {func(ctx context.Context) error { app.SetStatus(ctx, 101); return app.Errorf(app.NotFound, "gone") },
			500, `{"success":false,"data":null,"error":"internal error","code":"internal"}`, 1},
		"status above all": {func(ctx context.Context) error {
			app.SetStatus(ctx, 1000)
			return app.Violations{{Field: "a", Rule: "b", Message: "c"}}
		},
			500, `{"success":false,"data":null,"error":"internal error","code":"internal"}`, 1},
		"unavailable with a cause": {func(context.Context) error { return app.Errorf(app.Unavailable, "busy").Because(errInternal) },
			503, `{"success":false,"data":null,"error":"busy","code":"unavailable"}`, 1},
		"refused under load": {func(context.Context) error { return app.Errorf(app.Unavailable, "full") },
			503, `{"success":false,"data":null,"error":"full","code":"unavailable"}`, 0},
		"no message": {func(context.Context) error { return &app.Error{Code: app.StorageFull} },
			507, `{"success":false,"data":null,"error":"insufficient storage","code":"storage_full"}`, 1},
		"quotes and broken UTF-8": {func(context.Context) error { return app.Errorf(app.Conflict, "\"\xff\"") },
			409, `{"success":false,"data":null,"error":"\"�\"","code":"conflict"}`, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := answering(t, func(ctx context.Context) (app.Empty, error) { return app.Empty{}, c.fn(ctx) })
			w := k.doApart("GET", "/x")
			require.Equal(t, c.status, w.Code)
			require.Equal(t, c.body, w.Body.String())
			problems := k.logs.Filter(func(e loggedEntry) bool { return e.Level >= zap.WarnLevel }).All()
			require.Len(t, problems, c.logged)
			for _, p := range problems {
				require.Equal(t, "test.plugin", p.ContextMap()["plugin"])
				require.Equal(t, w.Header().Get("X-Request-Id"), p.ContextMap()["request_id"])
			}
			require.Equal(t, 1, k.logs.FilterMessage("request").Len(), "the access log has one line")
		})
	}
}

// doApart sends a request on a goroutine of its own, which the handler may end.
func (k kit) doApart(method, target string) *httptest.ResponseRecorder {
	var w *httptest.ResponseRecorder
	done := make(chan struct{})
	w = httptest.NewRecorder()
	go func() {
		defer close(done)
		k.Handler().ServeHTTP(w, httptest.NewRequest(method, target, http.NoBody))
	}()
	<-done
	return w
}

func TestPanicIsLoggedWithItsStack(t *testing.T) {
	t.Parallel()
	k := answering(t, func(context.Context) (app.Empty, error) { panic("secret") })
	k.do("GET", "/x", "")
	entry := k.logs.FilterMessage("request panicked").All()[0]
	require.Contains(t, entry.ContextMap()["stack"], "answer_test.go")
	require.Equal(t, "secret", entry.ContextMap()["panic"])
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  *app.Error
		want string
	}{
		{app.Errorf(app.Unavailable, "full"), "1"},
		{app.Errorf(app.TooMany, "slow down"), "1"},
		{&app.Error{Code: app.TooMany, Message: "slow down", RetryAfter: 1500 * time.Millisecond}, "2"},
		{app.Errorf(app.Conflict, "taken"), ""},
	} {
		k := answering(t, func(context.Context) (app.Empty, error) { return app.Empty{}, c.err })
		require.Equal(t, c.want, k.do("GET", "/x", "").Header().Get("Retry-After"))
	}
}

func TestSuccessStatuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		set    int
		opts   []app.EndpointOption
		status int
		body   string
	}{
		"default":                  {0, nil, 200, `{"success":true,"data":{"name":"a"},"error":null}`},
		"declared":                 {0, []app.EndpointOption{app.Status(201)}, 201, `{"success":true,"data":{"name":"a"},"error":null}`},
		"set":                      {202, []app.EndpointOption{app.Status(201, 202)}, 202, `{"success":true,"data":{"name":"a"},"error":null}`},
		"no content":               {0, []app.EndpointOption{app.Status(204)}, 204, ""},
		"not modified":             {304, nil, 304, ""},
		"redirect":                 {303, nil, 303, ""},
		"error status, no error":   {404, nil, 500, `{"success":false,"data":null,"error":"internal error","code":"internal"}`},
		"informational":            {100, nil, 500, `{"success":false,"data":null,"error":"internal error","code":"internal"}`},
		"error status of no class": {999, nil, 500, `{"success":false,"data":null,"error":"internal error","code":"internal"}`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := answering(t, func(ctx context.Context) (jsonBody, error) {
				if c.set != 0 {
					app.SetStatus(ctx, c.set)
				}
				app.SetHeader(ctx, "Location", "/y")
				return jsonBody{"a"}, nil
			}, c.opts...)
			w := k.do("GET", "/x", "")
			require.Equal(t, c.status, w.Code)
			require.Equal(t, c.body, w.Body.String())
			require.Equal(t, "/y", w.Header().Get("Location"))
			if c.status == 500 {
				require.Equal(t, 1, k.logs.FilterMessage("request failed").Len())
			}
		})
	}
}

func TestUnencodableResponseIsAnInternalError(t *testing.T) {
	t.Parallel()
	type numbers struct {
		Good []int   `json:"good"`
		Bad  float64 `json:"bad"`
	}
	k := answering(t, func(context.Context) (numbers, error) { return numbers{make([]int, 10000), math.NaN()}, nil })
	w := k.do("GET", "/x", "")
	require.Equal(t, 500, w.Code)
	require.Equal(t, `{"success":false,"data":null,"error":"internal error","code":"internal"}`, w.Body.String())
}

func TestNilCollectionsAreEmpty(t *testing.T) {
	t.Parallel()
	type data struct {
		List []int          `json:"list"`
		Map  map[string]int `json:"map"`
		Ptr  *int           `json:"ptr"`
		HTML string         `json:"html"`
	}
	k := answering(t, func(context.Context) (data, error) { return data{HTML: "<b>\xff"}, nil })
	require.Equal(t, `{"success":true,"data":{"list":[],"map":{},"ptr":null,"html":"<b>�"},"error":null}`, k.do("GET", "/x", "").Body.String())
}

func TestHeadersOfTheHostCannotBeOverwritten(t *testing.T) {
	t.Parallel()
	k := answering(t, func(ctx context.Context) (app.Empty, error) {
		for _, h := range []string{"Content-Type", "Content-Length", "X-Request-ID", "X-Content-Type-Options", "Connection", "Transfer-Encoding", "X-Own"} {
			app.SetHeader(ctx, h, "1")
		}
		return app.Empty{}, nil
	})
	h := k.do("GET", "/x", "", "X-Request-ID: mine").Header()
	require.Equal(t, http.Header{
		"Content-Type": {"application/json"}, "Content-Length": {"39"}, "X-Request-Id": {"mine"},
		"X-Content-Type-Options": {"nosniff"}, "X-Own": {"1"}, "Cache-Control": {"no-store"}, "Referrer-Policy": {"no-referrer"},
		"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
	}, h)
}

func TestRequestIDAndTrace(t *testing.T) {
	t.Parallel()
	type seen struct {
		ID     string `json:"id"`
		Trace  string `json:"trace"`
		Plugin string `json:"plugin"`
	}
	k := answering(t, func(ctx context.Context) (seen, error) {
		return seen{app.RequestID(ctx), app.CallFrom(ctx).Trace, app.PluginName(ctx)}, nil
	})
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	w := k.do("GET", "/x", "", "X-Request-ID: my-id_1.2", "Traceparent: "+trace)
	require.Equal(t, "my-id_1.2", w.Header().Get("X-Request-Id"))
	require.Equal(t, `{"success":true,"data":{"id":"my-id_1.2","trace":"`+trace+`","plugin":"test.plugin"},"error":null}`, w.Body.String())

	for _, bad := range []string{"a b", strings.Repeat("a", 65), "ü", ""} {
		id := k.do("GET", "/x", "", "X-Request-ID: "+bad).Header().Get("X-Request-Id")
		require.NotEqual(t, bad, id)
		require.Len(t, id, 32)
	}
	for _, bad := range []string{"00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01", strings.ToUpper(trace), "01" + trace[2:], trace + "0"} {
		require.NotContains(t, k.do("GET", "/x", "", "Traceparent: "+bad).Body.String(), bad)
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	k := answering(t, func(ctx context.Context) (app.Empty, error) {
		<-ctx.Done()
		return app.Empty{}, fmt.Errorf("wait: %w", ctx.Err())
	}, app.Timeout(time.Millisecond))
	w := k.do("GET", "/x", "")
	require.Equal(t, 504, w.Code)
	require.Equal(t, `{"success":false,"data":null,"error":"the request took too long","code":"timeout"}`, w.Body.String())
}

func TestClientThatLeft(t *testing.T) {
	t.Parallel()
	k := answering(t, func(ctx context.Context) (app.Empty, error) {
		<-ctx.Done()
		return app.Empty{}, fmt.Errorf("query: %w", ctx.Err())
	})
	ctx, leave := context.WithCancel(t.Context())
	leave()
	k.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/x", http.NoBody))
	require.Empty(t, k.logs.Filter(func(e loggedEntry) bool { return e.Level >= zap.WarnLevel }).All())
	require.EqualValues(t, 499, k.logs.FilterMessage("request").All()[0].ContextMap()["status"])
}

func TestGuardsRunInOrderBeforeTheBody(t *testing.T) {
	t.Parallel()
	type principal struct{}
	var order []string
	k := serve(t, func(b *app.Boot) {
		b.POST("/x", app.Handle(func(ctx context.Context, _ jsonBody) (jsonBody, error) {
			return jsonBody{ctx.Value(principal{}).(string)}, nil
		}), app.Guard(func(ctx context.Context, _ *http.Request) (context.Context, error) {
			order = append(order, "first")
			return context.WithValue(ctx, principal{}, "ann"), nil
		}), app.Guard(func(ctx context.Context, r *http.Request) (context.Context, error) {
			order = append(order, "second "+ctx.Value(principal{}).(string))
			if r.Header.Get("Authorization") == "" {
				app.SetHeader(ctx, "WWW-Authenticate", "Bearer")
				return nil, app.Errorf(app.Unauthorized, "sign in")
			}
			return ctx, nil
		}))
	})
	body := &countingBody{Reader: strings.NewReader(`{"name":"x"}`)}
	r := httptest.NewRequest(http.MethodPost, "/x", body)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	k.Handler().ServeHTTP(w, r)
	require.Equal(t, 401, w.Code)
	require.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
	require.Equal(t, `{"success":false,"data":null,"error":"sign in","code":"unauthorized"}`, w.Body.String())
	require.Zero(t, body.reads)
	require.Equal(t, []string{"first", "second ann"}, order)
	require.Equal(t, `{"success":true,"data":{"name":"ann"},"error":null}`, k.do("POST", "/x", `{"name":"x"}`, asJSON, "Authorization: x").Body.String())
}

type countingBody struct {
	*strings.Reader
	reads int
}

func (b *countingBody) Read(p []byte) (int, error) { b.reads++; return b.Reader.Read(p) }

func TestDeclaredSizeIsRefusedUnread(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) { b.POST("/x", app.Handle(accept[jsonBody]), app.BodyLimit(10)) })
	body := &countingBody{Reader: strings.NewReader(strings.Repeat(" ", 11))}
	r := httptest.NewRequest(http.MethodPost, "/x", body)
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = 11
	w := httptest.NewRecorder()
	k.Handler().ServeHTTP(w, r)
	require.Equal(t, 413, w.Code)
	require.Equal(t, "close", w.Header().Get("Connection"))
	require.Zero(t, body.reads)
}

func TestRawEndpoints(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		b.Raw("GET", "/own", func(c *gin.Context) {
			c.Header("X-ID", app.RequestID(c.Request.Context()))
			c.String(418, "teapot %s", app.PluginName(c.Request.Context()))
		})
		b.Raw("GET", "/status", func(c *gin.Context) { c.Status(202) })
		b.Raw("GET", "/slow", func(c *gin.Context) { <-c.Request.Context().Done() }, app.Timeout(time.Millisecond))
		b.Raw("GET", "/abort", func(*gin.Context) { panic(http.ErrAbortHandler) })
		b.Raw("GET", "/late", func(c *gin.Context) { c.String(200, "begun"); panic("late") })
		b.Raw("GET", "/guarded", func(c *gin.Context) { c.Status(200) }, app.Guard(func(ctx context.Context, _ *http.Request) (context.Context, error) {
			return ctx, app.Errorf(app.Forbidden, "no")
		}))
	})
	w := k.do("GET", "/own", "", "X-Request-ID: r1")
	require.Equal(t, 418, w.Code)
	require.Equal(t, "teapot test.plugin", w.Body.String())
	require.Equal(t, "r1", w.Header().Get("X-ID"))
	require.Equal(t, 202, k.do("GET", "/status", "").Code)
	require.Equal(t, 403, k.do("GET", "/guarded", "").Code)
	require.Equal(t, `{"success":false,"data":null,"error":"the request took too long","code":"timeout"}`, k.do("GET", "/slow", "").Body.String())
	require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() { k.do("GET", "/abort", "") })
	require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() { k.do("GET", "/late", "") })
	require.Equal(t, 1, k.logs.FilterMessage("request panicked").Len(), "an abort is not logged, a late panic is")
}

func TestAccessLogCarriesNoQueryAndNoBody(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		b.POST("/x/:id", app.Handle(accept[struct {
			ID   int    `uri:"id"`
			Name string `json:"name"`
		}]))
	})
	k.do("POST", "/x/1?token=geheim", `{"name":"geheim"}`, asJSON)
	k.do("POST", "/x/1?token=geheim", `{"name":geheim}`, asJSON)
	for _, e := range k.logs.All() {
		require.NotContains(t, fmt.Sprint(e.Message, e.ContextMap()), "geheim")
	}
	line := k.logs.FilterMessage("request").All()[0].ContextMap()
	require.Equal(t, "/x/:id", line["route"])
	require.Equal(t, "192.0.2.1", line["remote"])
	require.EqualValues(t, 200, line["status"])

	quiet := serve(t, func(*app.Boot) {}, func(p *httpserver.Params) { p.Log.Access = false })
	quiet.do("GET", "/x", "")
	require.Zero(t, quiet.logs.Len())
}

func TestForwardedForIsBelievedOfTrustedProxiesAlone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		trusted []string
		want    string
	}{{nil, "192.0.2.1"}, {[]string{"10.0.0.0/8"}, "192.0.2.1"}, {[]string{"192.0.2.1"}, "203.0.113.9"}} {
		k := serve(t, func(*app.Boot) {}, func(p *httpserver.Params) { p.HTTP.TrustedProxies = c.trusted })
		k.do("GET", "/livez", "", "X-Forwarded-For: 203.0.113.9")
		k.do("GET", "/livez", "", "X-Real-IP: 203.0.113.10") // which a proxy may pass on as the client has sent it
		require.Equal(t, c.want, k.logs.FilterMessage("request").All()[0].ContextMap()["remote"])
		require.Equal(t, "192.0.2.1", k.logs.FilterMessage("request").All()[1].ContextMap()["remote"])
	}
	s := httpserver.New(httpserver.Params{HTTP: func() (c configHTTP) { c = benchSettings(); c.TrustedProxies = []string{"x"}; return }()})
	require.ErrorContains(t, errors.Join(s.Check(nil)...), "use trusted proxies")
}

func TestHeadAnswersAsGetWithoutABody(t *testing.T) {
	t.Parallel()
	k := answering(t, func(context.Context) (jsonBody, error) { return jsonBody{"a"}, nil })
	get, head := k.do("GET", "/x", ""), k.do("HEAD", "/x", "")
	require.Empty(t, head.Body.String())
	require.Equal(t, get.Header().Get("Content-Length"), head.Header().Get("Content-Length"))
	require.Equal(t, "GET, HEAD, OPTIONS", k.do("OPTIONS", "/x", "").Header().Get("Allow"))
	require.Equal(t, "GET, HEAD, OPTIONS", k.do("POST", "/x", "").Header().Get("Allow"))
}
