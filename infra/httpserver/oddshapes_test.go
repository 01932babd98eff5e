package httpserver_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/httpserver"
	"plugboard/infra/httpserver/testdata/oddshapes"
)

// Every odd shape is taken and sent just so.
func TestOddShapesAreServedAsTheyAre(t *testing.T) {
	t.Parallel()
	shapes := oddshapes.Shapes()
	require.GreaterOrEqual(t, len(shapes), 60)
	k := serve(t, oddshapes.Boot)
	for _, s := range shapes {
		require.NotEmpty(t, s.Exchanges, s.Name)
		for _, x := range s.Exchanges {
			w := k.do(s.Method, x.Target, x.Body, x.Headers...)
			assert.Equal(t, x.Status, w.Code, "%s %s", s.Name, x.Body)
			assert.Equal(t, x.Answer, w.Body.String(), "%s %s", s.Name, x.Body)
			for name, values := range x.Answered {
				assert.Equal(t, values, w.Header()[name], "%s %s", s.Name, x.Body)
			}
		}
	}
	require.Empty(t, k.logs.Filter(func(e loggedEntry) bool { return e.Level >= zap.WarnLevel }).All())
}

// The same shapes are a domain of a plugin each.
func TestOddShapesAreADomain(t *testing.T) {
	t.Parallel()
	r := app.NewRegistrar(func(string) app.Bus { return nil }, zap.NewNop())
	require.NoError(t, bootAll(r, fx.Option(oddshapes.Module())))
	var endpoints []app.Endpoint
	for _, p := range r.Plugins() {
		require.NoError(t, p.Err)
		endpoints = append(endpoints, p.Boot.Endpoints()...)
	}
	require.Len(t, endpoints, len(oddshapes.Shapes()))
	require.Empty(t, httpserver.New(httpserver.Params{HTTP: benchSettings(), Pool: inlinePool{}}).Check(endpoints))
}

func TestOddShapesThatAreRefusedAtStart(t *testing.T) {
	t.Parallel()
	for _, r := range oddshapes.Refused() {
		problems := httpserver.New(httpserver.Params{HTTP: benchSettings()}).Check(endpointsOf(t, "odd.refused", r.Boot))
		if assert.NotEmpty(t, problems, r.Name) {
			assert.ErrorContains(t, problems[0], r.Why, r.Name)
		}
	}
}
