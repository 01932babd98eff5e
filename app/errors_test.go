package app_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// All that Errorf wraps is found in the error, however many it is.
func TestErrorfWrapsWhatItIsGiven(t *testing.T) {
	t.Parallel()
	one, two := errors.New("one"), errors.New("two")
	err := fmt.Errorf("around: %w", app.Errorf(app.Conflict, "%w", one))
	require.ErrorIs(t, err, one)
	require.EqualError(t, err, "around: one")

	several := app.Errorf(app.Conflict, "%w and %w", one, two)
	require.ErrorIs(t, several, one)
	require.ErrorIs(t, several, two)
	require.EqualError(t, several, "one and two")
	require.Equal(t, "one and two", several.Message)
	require.ErrorIs(t, several, app.Errorf(app.Conflict, ""))

	require.NoError(t, app.Errorf(app.Conflict, "nothing").Unwrap())
	hidden := several.Because(errors.New("disk"))
	require.NotErrorIs(t, hidden, one)
	require.EqualError(t, hidden, "one and two: disk")
}
