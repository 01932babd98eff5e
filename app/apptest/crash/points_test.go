package main

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// dies starts s, which has a crash point, lets clients write until it dies there, and checks that it did.
func dies(t *testing.T, s *service, l workload, seed uint64) {
	t.Helper()
	p := serve(t, s)
	fleet := launch(l, seed, pause, shining(p))
	defer fleet.stop()
	require.NoError(t, within(t.Context(), patience, func(ctx context.Context) error {
		select {
		case <-p.exited:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("the crash point was never reached: %w", ctx.Err())
		}
	}))
	require.True(t, p.killed(), "the service ended otherwise: %v", p.err)
}

// writes runs s until some writes are acked, and stops it gracefully.
func writes(t *testing.T, s *service, l *probeLedger, seed uint64, n int) {
	t.Helper()
	p := serve(t, s)
	fleet := launch(l, seed, pause, shining(p))
	acks(t, l, n)
	fleet.stop()
	require.NoError(t, within(t.Context(), patience, p.stop))
}

// At each of these points the process dies in the middle of something that must not be left half done.
func TestCrashPoints(t *testing.T) {
	t.Parallel()
	seed := seed(t)
	for i, point := range []string{
		"after row", "after outbox row", "after commit", "after claim", "after effect", "after transactional effect",
		"before completion", "after completion", "during dead-lettering",
	} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			onePlace(t, seed+uint64(i), func(t *testing.T, p *place) {
				l := newProbeLedger()
				s := newService(t, p, "service")
				nth := 1 + (seed+uint64(i))%5
				dies(t, s.as(t, "sabotaged", fmt.Sprintf("CRASH_POINT=%s:%d", point, nth)), l, seed)
				writes(t, s, l, seed+1, 10)
				r, err := finishProbe(t.Context(), s, l, replayed(s))
				require.NoError(t, err)
				require.True(t, r.clean(), r)
			})
		})
	}
}

// An operator's replay that dies half-way has replayed all or nothing of what it was at, and can be repeated.
func TestCrashDuringReplay(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p *place) {
		seed, l := seed(t), newProbeLedger()
		s := newService(t, p, "service")
		db := look(t, s)
		writing := serve(t, s)
		fleet := launch(l, seed, pause, shining(writing))
		until(t, "wait for dead deliveries", func() (bool, error) {
			n, err := db.count(t.Context(), `SELECT COUNT(*) FROM bus_deliveries WHERE state = 'dead'`)
			return n >= 3, err
		})
		fleet.stop()
		require.NoError(t, within(t.Context(), patience, writing.stop))

		r, err := finishProbe(t.Context(), s, l, func(ctx context.Context) error {
			replay, err := s.as(t, "sabotaged", "CRASH_POINT=during replay:2").start("replay")
			require.NoError(t, err)
			<-replay.exited
			require.True(t, replay.killed(), "the replay ended otherwise: %v", replay.err)
			return s.run(ctx, "replay")
		})
		require.NoError(t, err)
		require.True(t, r.clean(), r)
	})
}

// An event whose handler ends the process ends it six times at most, and is then dead, and announced; what the process
// had in memory beside it is handled, once where that is promised. A service that is started again and again comes to rest.
func TestAnEventThatEndsTheProcess(t *testing.T) {
	t.Parallel()
	const most = 6 // ends of the process by one event
	eachPlace(t, func(t *testing.T, p *place) {
		seed, l := seed(t), newProbeLedger()
		s := newService(t, p, "service")
		lethal := s.as(t, "sabotaged", "CRASH_MUTANT=poison ends the process")
		dies(t, lethal, l, seed)
		db := look(t, s)
		poisoned, err := db.count(t.Context(), `SELECT COUNT(*) FROM probe_writes WHERE poison`)
		require.NoError(t, err)
		require.NotZero(t, poisoned)
		ends := restarted(t, lethal, db, most*poisoned-1)
		t.Logf("%d events ended the process %d times", poisoned, 1+ends)
		dead, err := db.count(t.Context(), `SELECT COUNT(*) FROM bus_deliveries WHERE state = 'dead'`)
		require.NoError(t, err)
		require.Equal(t, poisoned, dead)
		r, err := finishProbe(t.Context(), s, l, replayed(s))
		require.NoError(t, err)
		require.True(t, r.clean(), r)
	})
}

// restarted starts s again whenever it ends, until no event is unfinished, and returns how often it ended, which is most
// times at most.
func restarted(t *testing.T, s *service, db *store, most int) (ends int) {
	t.Helper()
	for ends <= most {
		p, err := s.start()
		require.NoError(t, err)
		t.Cleanup(p.kill)
		until(t, "come to rest, or end", func() (bool, error) {
			select {
			case <-p.exited:
				return true, nil
			default:
			}
			left, err := db.unfinished(t.Context())
			return err == nil && left == 0, nil // the database may be busy
		})
		select {
		case <-p.exited:
			require.True(t, p.killed(), "the service ended otherwise: %v", p.err)
			ends++
			continue
		default:
		}
		require.NoError(t, within(t.Context(), patience, p.stop))
		return ends
	}
	require.LessOrEqual(t, ends, most, "the service does not come to rest")
	return ends
}

// A few of the trials that make crash runs by the hundred.
func TestRandomKills(t *testing.T) {
	t.Parallel()
	const trials = 4
	eachPlace(t, func(t *testing.T, p *place) {
		seed, l := seed(t), newProbeLedger()
		s := newService(t, p, "service")
		_, err := campaign{trials: trials, seed: seed, pause: pause, progress: t.Output()}.run(t.Context(), s, l)
		require.NoError(t, err)
		r, err := finishProbe(t.Context(), s, l, replayed(s))
		require.NoError(t, err)
		require.True(t, r.clean(), r)
	})
}

func TestRandomKillsOfTheReleasedBinary(t *testing.T) {
	t.Parallel()
	const trials = 4
	eachPlace(t, func(t *testing.T, p *place) {
		seed, l := seed(t), newProductLedger()
		s := newService(t, p, "plugboard")
		_, err := campaign{trials: trials, seed: seed, pause: pause, progress: t.Output()}.run(t.Context(), s, l)
		require.NoError(t, err)
		r, err := finishProducts(t.Context(), s, l)
		require.NoError(t, err)
		require.True(t, r.clean(), r)
	})
}
