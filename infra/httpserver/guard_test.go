package httpserver_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/app"
)

type principalKey struct{}

// TestAGuardMayBuildOnTheRequestsContext: it is the one the guard is given, with the deadline and the call.
func TestAGuardMayBuildOnTheRequestsContext(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		first := func(ctx context.Context, _ *http.Request) (context.Context, error) {
			return context.WithValue(ctx, principalKey{}, "ann"), nil
		}
		second := func(_ context.Context, r *http.Request) (context.Context, error) { return r.Context(), nil }
		b.POST("/x", app.Handle(func(ctx context.Context, _ nothing) (app.Empty, error) {
			_, limited := ctx.Deadline()
			if !limited || app.PluginName(ctx) != "test.plugin" || app.RequestID(ctx) == "" || ctx.Value(principalKey{}) != "ann" {
				return app.Empty{}, app.Errorf(app.Conflict, "the context lost something")
			}
			app.SetStatus(ctx, http.StatusCreated)
			app.SetHeader(ctx, "Location", "/x/1")
			return app.Empty{}, nil
		}), app.Guard(first), app.Guard(second))
	})
	w := k.do(http.MethodPost, "/x", "")
	require.Equal(t, http.StatusCreated, w.Code, w.Body)
	require.Equal(t, "/x/1", w.Header().Get("Location"))
}

func TestAGuardThatReturnsAForeignContextIsABug(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		foreign := func(context.Context, *http.Request) (context.Context, error) { return context.Background(), nil }
		b.GET("/x", handle[nothing, app.Empty](), app.Guard(foreign))
	})
	w := k.do(http.MethodGet, "/x", "")
	require.Equal(t, http.StatusInternalServerError, w.Code, w.Body)
	require.Equal(t, 1, k.logs.FilterMessage("request failed").FilterLevelExact(zap.ErrorLevel).Len())
}

func TestAnInternalErrorIsLoggedWhateverItsStatus(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		b.GET("/x", app.Handle(func(ctx context.Context, _ nothing) (app.Empty, error) {
			app.SetStatus(ctx, http.StatusNotFound)
			return app.Empty{}, errInternal
		}))
	})
	w := k.do(http.MethodGet, "/x", "")
	require.Equal(t, http.StatusNotFound, w.Code, w.Body)
	require.NotContains(t, w.Body.String(), "secret")
	failed := k.logs.FilterMessage("request failed").All()
	require.Len(t, failed, 1)
	require.Contains(t, failed[0].ContextMap()["error"], errInternal.Error())
}
