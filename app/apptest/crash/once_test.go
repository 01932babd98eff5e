package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Killed at any moment, the service does the work of a key once, and gives all its repeats one answer. The command "make crash" has more
// trials.
func TestRepeatedRequestsTakeEffectOnce(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p *place) {
		l := newOnceLedger()
		s := newService(t, p, "service")
		_, err := campaign{trials: 5, seed: seed(t), pause: 5 * time.Millisecond, progress: t.Output()}.run(t.Context(), s, l)
		require.NoError(t, err)
		r, err := finishOnce(t.Context(), s, l)
		require.NoError(t, err)
		require.True(t, r.clean(), r)
		require.Positive(t, l.repeats)
	})
}
