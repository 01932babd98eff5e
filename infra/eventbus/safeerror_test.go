package eventbus_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/eventbus/admin"
)

// nilError is an error that cannot be asked anything when it is a nil pointer.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

// hostile is an error of which the method named panics.
type hostile struct{ method string }

func (h hostile) call(method string) {
	if h.method == method {
		panic("not to be asked")
	}
}

func (h hostile) Error() string { h.call("Error"); return "hostile" }
func (h hostile) Is(error) bool { h.call("Is"); return false }
func (h hostile) As(any) bool   { h.call("As"); return h.method == "As lies" }
func (h hostile) Unwrap() error { h.call("Unwrap"); return nil }

func unsoundErrors() map[string]error {
	var typedNil *nilError
	var appNil *app.Error
	return map[string]error{
		"typed nil": typedNil, "typed nil of the host's": appNil, "Error": hostile{"Error"}, "Is": hostile{"Is"},
		"As": hostile{"As"}, "As lies": hostile{"As lies"}, "Unwrap": hostile{"Unwrap"},
		"cause": app.Errorf(app.Unavailable, "later").Because(hostile{"Is"}),
	}
}

// The error of a handler is a failed attempt, also one that nobody can look at.
func TestAnErrorWhoseMethodsPanicIsAFailedAttempt(t *testing.T) {
	t.Parallel()
	for name, failure := range unsoundErrors() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachSite(t, func(t *testing.T, at site) {
				var volatile seen[int]
				fails := func(_ context.Context, e Note) error {
					if e.ID == 2 {
						return failure
					}
					return nil
				}
				r := start(t, at, settings(), publishes(Note{}),
					subscribes(app.On(fails), app.Attempts(2)), subscribes(app.OnTx(fails), app.Attempts(2)),
					subscribes(app.OnTx(func(ctx context.Context, e Note) error {
						if d, _ := app.DeliveryFrom(ctx); e.ID == 2 {
							volatile.add(d.Attempt)
						}
						return fails(ctx, e)
					}), app.Attempts(2), app.Volatile()))
				r.publishAll(Note{1}, Note{2}, Note{3})
				r.idle()
				require.Equal(t, []int{1, 2}, slices.Compact(volatile.all()), "a transaction may be tried again")
				dead, err := r.bus.Admin("x").Deliveries(t.Context(), admin.Filter{State: "dead"})
				require.NoError(t, err)
				require.Len(t, dead, 2)
				for _, d := range dead {
					require.Equal(t, 2, d.Attempts)
					require.NotEmpty(t, d.Error)
				}
			})
		})
	}
}

func TestAnAnswersErrorWhoseMethodsPanicIsAnError(t *testing.T) {
	t.Parallel()
	at := site{"sqlite", "sqlite:" + filepath.Join(t.TempDir(), "events.db")}
	var failure error
	r := start(t, at, settings(), func(b *app.Boot) {
		b.Answer(app.Reply(func(context.Context, Note) (Note, error) { return Note{}, failure }))
	})
	for name, unsound := range unsoundErrors() {
		failure = unsound
		_, err := app.Ask[Note](t.Context(), r.bus.For("x"), Note{})
		require.ErrorContains(t, err, "ask note.taken", name)
		require.NotErrorIs(t, err, context.Canceled, name)
		require.NotEmpty(t, app.CodeOf(err), name)
	}
	failure = app.Errorf(app.NotFound, "gone").Because(errBroken)
	_, err := app.Ask[Note](t.Context(), r.bus.For("x"), Note{})
	require.ErrorIs(t, err, errBroken)
	require.ErrorIs(t, err, failure)
	require.Equal(t, app.NotFound, app.CodeOf(err))
}
