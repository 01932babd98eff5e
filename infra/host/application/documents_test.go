package application_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"plugboard/app"
	"plugboard/infra/host/application"
	"plugboard/infra/httpserver"
)

// shopDocument is the document of a service with one endpoint more or less.
func shopApp(t *testing.T, built string, more bool) (*application.App, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.WarnLevel)
	modules := fx.Options(infra(), httpserver.Spec(func() string { return built }), app.Domain("shop", boots("shop.all", func(b *app.Boot) {
		serve := app.Handle(func(context.Context, describedEmpty) (item, error) { return item{}, nil })
		b.GET("/a", serve, app.Tags("Things"), app.Summary("Get a thing"))
		if more {
			b.GET("/b", serve)
		}
	})))
	a, err := application.New(settings(t), modules, application.With(fx.Decorate(func() *zap.Logger { return zap.New(core) })))
	require.NoError(t, err)
	return a, logs
}

func documentOf(t *testing.T, a *application.App, path string) string {
	t.Helper()
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1"+path, nil))
	require.Equal(t, 200, w.Code)
	return w.Body.String()
}

// A service whose document is older than what its plugins register shows the right one, says so once, and keeps the words that
// still belong.
func TestAStaleDocumentIsNotShown(t *testing.T) {
	t.Parallel()
	old, _ := shopApp(t, "{}", false)
	built := documentOf(t, old, "/openapi.json")
	require.Contains(t, built, `"/a"`)

	same, logs := shopApp(t, built, false)
	require.Equal(t, built, documentOf(t, same, "/openapi.json"))
	require.Zero(t, logs.Len())

	newer, logs := shopApp(t, built, true)
	for range 3 {
		require.Contains(t, documentOf(t, newer, "/openapi.json"), `"/b"`)
	}
	require.Equal(t, 1, logs.Len())
	require.Contains(t, logs.All()[0].Message, "docs/openapi.json is older than what the plugins register")
	var document struct{ Openapi string }
	require.NoError(t, json.Unmarshal([]byte(documentOf(t, newer, "/openapi-3.0.json")), &document))
	require.Equal(t, "3.0.3", document.Openapi)
}
