package httpserver_test

import (
	"context"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

type nothingAsked struct{}

func answerNothing(context.Context, nothingAsked) (app.Empty, error) { return app.Empty{}, nil }

// Every answer of a deprecated endpoint says so, a failure too.
func TestDeprecatedEndpointsSaySo(t *testing.T) {
	t.Parallel()
	day := func(year int) app.Date { return app.NewDate(year, 1, 31) }
	fails := func(context.Context, nothingAsked) (app.Empty, error) {
		return app.Empty{}, app.Errorf(app.Gone, "gone")
	}
	k := serve(t, func(b *app.Boot) {
		b.GET("/old", app.Handle(answerNothing), app.Deprecated(day(2026), day(2027)))
		b.GET("/older", app.Handle(fails), app.Deprecated(day(2025), app.Date{}))
		b.GET("/oldest", app.Handle(func(context.Context, nothingAsked) (app.Empty, error) { panic("planted") }), app.Deprecated(day(2024), app.Date{}))
		b.GET("/new", app.Handle(answerNothing))
	})
	old := k.do("GET", "/old", "").Header()
	require.Equal(t, []string{"@1769817600"}, old["Deprecation"])
	require.Equal(t, []string{"Sun, 31 Jan 2027 00:00:00 GMT"}, old["Sunset"])
	older := k.do("GET", "/older", "")
	require.Equal(t, 410, older.Code)
	require.Equal(t, []string{"@1738281600"}, older.Header()["Deprecation"])
	require.NotContains(t, older.Header(), "Sunset")
	oldest := k.do("GET", "/oldest", "")
	require.Equal(t, 500, oldest.Code)
	require.Equal(t, []string{"@1706659200"}, oldest.Header()["Deprecation"], "after a panic too, which clears the headers")
	require.NotContains(t, k.do("GET", "/new", "").Header(), "Deprecation")
}

// What the types tell is not declared a second time.
func TestDeclarationsThatDoNotFit(t *testing.T) {
	t.Parallel()
	for why, options := range map[string][]app.EndpointOption{
		"app.Produces is for":            {app.Produces("image/png")},
		"app.Accepts is for":             {app.Accepts("text/csv")},
		"app.Takes and app.Answers are":  {app.Takes[nothingAsked]()},
		"app.Takes and app.Answers are ": {app.Answers[app.Empty]()},
		"a sunset that is not before it": {app.Deprecated(app.NewDate(2026, 1, 31), app.NewDate(2026, 1, 30))},
		"needs the day from which on":    {app.Deprecated(app.Date{}, app.NewDate(2026, 1, 30))},
		"needs the day from which ":      {app.Deprecated(app.Date{}, app.Date{})},
		`the code "oops", which is none`: {app.Fails("oops")},
		`"csv" is no media type`:         {app.Produces("csv")},
	} {
		s := httpserver.New(httpserver.Params{HTTP: benchSettings()})
		problems := s.Check(endpointsOf(t, "odd.declared", func(b *app.Boot) { b.GET("/a", app.Handle(answerNothing), options...) }))
		require.NotEmpty(t, problems, why)
		require.ErrorContains(t, problems[0], why)
	}
	// Raw endpoints, and those that take the body as it is, are told of by nothing else.
	s := httpserver.New(httpserver.Params{HTTP: benchSettings(), Logger: zap.NewNop()})
	require.Empty(t, s.Check(endpointsOf(t, "odd.declared", func(b *app.Boot) {
		b.Raw("POST", "/raw", func(*gin.Context) {}, app.Takes[nothingAsked](), app.Answers[app.Empty](), app.Accepts("a/b"), app.Produces("c/d"))
		b.POST("/hook", app.Handle(func(_ context.Context, req struct{ Sent app.RawBody }) (app.Empty, error) { return app.Empty{}, nil }), app.Accepts("a/b"))
	})))
}

// The documents that the host hands over are shown, instead of those that the server was made with.
func TestDocumentsAreHandedOver(t *testing.T) {
	t.Parallel()
	k := serve(t, func(*app.Boot) {}, func(p *httpserver.Params) { p.Spec = func() string { return "{}" } })
	require.Equal(t, 404, k.do("GET", "/openapi-3.0.json", "").Code)
	k.ServeDocuments(func() httpserver.Documents { return httpserver.Documents{OpenAPI: `{"a":1}`, OpenAPI30: `{"b":2}`} })
	require.Equal(t, `{"a":1}`, k.do("GET", "/openapi.json", "").Body.String())
	require.Equal(t, `{"b":2}`, k.do("GET", "/openapi-3.0.json", "").Body.String())
}
