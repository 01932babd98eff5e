package app_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// tally counts what is reserved, of 100 bytes.
type tally struct{ reserved int64 }

func (m *tally) Reserve(n int64) error {
	if m.reserved+n > 100 {
		return app.Errorf(app.Unavailable, "full")
	}
	m.reserved += n
	return nil
}

func (m *tally) Release(n int64) { m.reserved -= n }

func TestReserve(t *testing.T) {
	t.Parallel()
	memory := &tally{}
	call := &app.Call{Memory: memory}
	ctx := app.WithCall(t.Context(), call)
	require.NoError(t, app.Reserve(ctx, 60))
	require.Equal(t, app.Unavailable, app.CodeOf(app.Reserve(ctx, 60)))
	require.NoError(t, app.Reserve(ctx, 40))
	require.NoError(t, app.Reserve(ctx, 0))
	call.End()
	require.Zero(t, memory.reserved)

	require.NoError(t, app.Reserve(ctx, 10), "by what outlives its handler")
	require.Zero(t, memory.reserved)
	require.NoError(t, app.Reserve(context.Background(), 1000), "outside of a call")
	require.NoError(t, app.Reserve(app.WithCall(t.Context(), &app.Call{}), 1000), "without a budget")
}

// A request that was answered 504 while its job runs on still has its body in memory.
func TestWhatIsKeptOutlivesTheCall(t *testing.T) {
	t.Parallel()
	memory := &tally{}
	call := &app.Call{Memory: memory}
	require.NoError(t, call.Reserve(60))
	call.Keep()
	call.End()
	require.EqualValues(t, 60, memory.reserved)
	call.End()
	require.Zero(t, memory.reserved)
}
