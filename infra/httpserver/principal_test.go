package httpserver_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

// The access log, the record of a failure and the span of a request name its principal, and have no such field when nobody is known. They
// have nothing else of the principal.
func TestLogsAndSpansOfARequestNameThePrincipal(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	signIn := app.Guard(func(ctx context.Context, r *http.Request) (context.Context, error) {
		if id := r.Header.Get("X-User"); id != "" {
			app.CallFrom(ctx).Principal = &app.Principal{ID: id, Permissions: []string{"secret.right"}, Credential: "session-1"}
		}
		return ctx, nil
	})
	k := serve(t, func(b *app.Boot) {
		b.GET("/fine", app.Handle(func(context.Context, nothing) (app.Empty, error) { return app.Empty{}, nil }), signIn)
		b.GET("/broken", app.Handle(func(context.Context, nothing) (app.Empty, error) { return app.Empty{}, errInternal }), signIn)
		b.GET("/panic", app.Handle(func(context.Context, nothing) (app.Empty, error) { panic("broken") }), signIn)
		b.Raw("GET", "/raw", func(c *gin.Context) { c.String(http.StatusOK, "fine") }, signIn)
	}, func(p *httpserver.Params) { p.Tracing = sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)) })

	for path, records := range map[string]int{"/fine": 1, "/broken": 2, "/panic": 2, "/raw": 1} {
		for _, user := range []string{"ann", ""} {
			spans.Reset()
			k.logs.TakeAll()
			var headers []string
			if user != "" {
				headers = []string{"X-User: " + user}
			}
			k.do("GET", path, "", headers...)
			logged := k.logs.All()
			require.Len(t, logged, records, path)
			for _, record := range logged {
				named, found := record.ContextMap()["principal"]
				require.Equal(t, user != "", found, "%s: %s", path, record.Message)
				if found {
					require.Equal(t, user, named)
				}
				require.NotRegexp(t, "session-1|secret.right", fmt.Sprint(record.ContextMap()))
			}
			require.Len(t, spans.GetSpans(), 1)
			attributes := map[string]string{}
			for _, a := range spans.GetSpans()[0].Attributes {
				attributes[string(a.Key)] = a.Value.String()
			}
			named, found := attributes["enduser.id"]
			require.Equal(t, user != "", found, path)
			require.Equal(t, user, named)
		}
	}
}
