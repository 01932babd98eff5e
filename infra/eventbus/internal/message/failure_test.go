package message

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// nilError panics in each method when it is a nil pointer.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

// hostile is an error whose method of the given name panics.
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

// A nil pointer in a handler's error could end the process as soon as anybody called a method of the error.
func TestASafeErrorMayBeLookedAt(t *testing.T) {
	t.Parallel()
	var typedNil *nilError
	var appNil *app.Error
	for name, unsafe := range map[string]error{
		"typed nil": typedNil, "typed nil of the host's": appNil, "Error": hostile{"Error"}, "Is": hostile{"Is"},
		"As": hostile{"As"}, "As lies": hostile{"As lies"}, "Unwrap": hostile{"Unwrap"},
		"cause": app.Errorf(app.Unavailable, "later").Because(hostile{"Is"}),
	} {
		err := fmt.Errorf("handler: %w", SafeError(unsafe))
		require.NotEmpty(t, err.Error(), name)
		require.NotErrorIs(t, err, context.Canceled, name)
		require.NotEmpty(t, app.CodeOf(err), name)
		require.False(t, IsFinal(err), name)
		if found, ok := errors.AsType[*app.Error](err); ok {
			require.NotErrorIs(t, found, context.Canceled, "%s: its cause", name)
		}
		var found *nilError
		require.NotErrorAs(t, err, &found, "%s: a nil pointer does not count", name)
	}
	require.EqualError(t, SafeError(hostile{"Error"}), "an error of type message.hostile, whose Error method panicked")
	require.NoError(t, SafeError(nil))
}

func TestASafeErrorKeepsWhatItIs(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	err := SafeError(app.Errorf(app.NotFound, "gone").Because(cause))
	require.ErrorIs(t, err, cause)
	require.Equal(t, app.NotFound, app.CodeOf(err))
	require.True(t, IsFinal(SafeError(app.Permanent(cause))))
	require.False(t, IsFinal(SafeError(cause)))
	require.False(t, IsFinal(app.Permanent(ErrUnreadable)), "another version may read it")
}
