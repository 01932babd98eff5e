package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A suite that cannot fail proves nothing: each of these builds makes one mistake, and the oracle must say so.

// Published after the commit, an event is lost when the process dies in between.
func TestPublishingAfterTheCommitIsFound(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p *place) {
		seed, l := seed(t), newProbeLedger()
		s := newService(t, p, "service")
		dies(t, s.as(t, "sabotaged", "CRASH_MUTANT=publish after commit", "CRASH_POINT=before late publish:5"), l, seed)
		r, err := finishProbe(t.Context(), s, l, replayed(s))
		require.NoError(t, err)
		require.True(t, r.has(undelivered), r)
		require.True(t, r.has(torn), r)
	})
}

// Acked before the commit, a write is lost when the process dies in between.
func TestAckingBeforeTheCommitIsFound(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p *place) {
		seed, l := seed(t), newProbeLedger()
		s := newService(t, p, "service")
		dies(t, s.as(t, "sabotaged", "CRASH_MUTANT=ack before commit", "CRASH_POINT=before late commit:5"), l, seed)
		r, err := finishProbe(t.Context(), s, l, replayed(s))
		require.NoError(t, err)
		require.True(t, r.has(lost), r)
	})
}

// Stored apart from the work, the answer is missing when the process dies in between, and a repeat does the work again.
func TestStoringTheAnswerApartIsFound(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p *place) {
		seed, l := seed(t), newOnceLedger()
		s := newService(t, p, "service")
		dies(t, s.as(t, "sabotaged", "CRASH_MUTANT=answer apart", "CRASH_POINT=before late answer:5"), l, seed)
		r, err := finishOnce(t.Context(), s, l)
		require.NoError(t, err)
		require.True(t, r.has(repeated), r)
	})
}
