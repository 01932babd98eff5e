package quarantine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"plugboard/infra/eventbus/internal/consumer"
	"plugboard/infra/eventbus/internal/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host notes what the quarantine has it do.
type host struct {
	t     *testing.T
	queue *consumer.Consumer
	// count is the answer of CountBegin.
	count func(d *consumer.Item) (bool, error)

	mu    sync.Mutex
	lines []string
}

func (h *host) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf(format, args...))
}

// took returns the notes since the last call, once the quarantine rests.
func (h *host) took() []string {
	h.t.Helper()
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	lines := h.lines
	h.lines = nil
	return lines
}

func (h *host) CountBegin(_ context.Context, d *consumer.Item) (bool, error) { return h.count(d) }

func (h *host) Deliver(d *consumer.Item) { h.note("run %s", d.Key) }

func (h *host) Settle(d *consumer.Item, err error) { h.note("settle %s: %v", d.Key, err) }

// item returns a delivery after some crashes during its own runs. Its key is its name.
func (h *host) item(name string, solo int16) *consumer.Item {
	d := h.queue.NewItem(&message.Message{Envelope: &message.Envelope{}, Key: name}, 1, 0, nil)
	d.Claim = message.Claim{Token: 1, Crashes: 2, SoloCrashes: solo}
	return d
}

// wait lets time pass.
func wait(d time.Duration) { <-time.After(d) }

// calmAfter is how long these tests' quarantines wait until a delivery may run alone.
const calmAfter = 10 * time.Second

// quarantined runs test with a started quarantine, with a clock of its own.
func quarantined(t *testing.T, test func(t *testing.T, h *host, q *Quarantine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, count: func(*consumer.Item) (bool, error) { return true, nil }}
		h.queue = consumer.New(&message.Subscription{Name: "s", Timeout: time.Minute}, nil, consumer.Options{Capacity: 100})
		q := New(h, calmAfter)
		q.Start()
		test(t, h, q)
		q.Close()
		q.Wait()
	})
}

func TestFewDeliveriesThatNeverBeganRunAtATime(t *testing.T) {
	t.Parallel()
	quarantined(t, func(t *testing.T, h *host, q *Quarantine) {
		all := make([]*consumer.Item, 40)
		for i := range all {
			all[i] = h.item(fmt.Sprintf("d%02d", i), 0)
			require.True(t, q.Add(t.Context(), all[i]))
		}
		running := h.took()
		require.Len(t, running, runningAtOnce)
		for len(running) > 0 {
			name := strings.TrimPrefix(running[0], "run ")
			i := slices.IndexFunc(all, func(d *consumer.Item) bool { return d.Key == name })
			all = slices.Delete(all, i, i+1)
			q.Ended(h.queueItem(name, q))
			more := h.took()
			require.LessOrEqual(t, len(more), 1)
			running = append(running[1:], more...)
		}
		require.Empty(t, all)
	})
}

// queueItem returns the running delivery of that name.
func (*host) queueItem(name string, q *Quarantine) *consumer.Item {
	q.mu.Lock()
	defer q.mu.Unlock()
	for d := range q.running {
		if d.Key == name {
			return d
		}
	}
	return nil
}

// A delivery that was begun before a crash runs alone, after the others, and not before the process has run for a while.
func TestADeliveryThatHadBegunRunsAlone(t *testing.T) {
	t.Parallel()
	quarantined(t, func(t *testing.T, h *host, q *Quarantine) {
		guilty, other, innocent := h.item("guilty", 3), h.item("other", 1), h.item("innocent", 0)
		for _, d := range []*consumer.Item{guilty, other, innocent} {
			require.True(t, q.Add(t.Context(), d))
		}
		require.Equal(t, []string{"run innocent"}, h.took())
		q.Ended(innocent)
		require.Empty(t, h.took(), "the process has just begun")
		wait(calmAfter)
		require.Equal(t, []string{"run other"}, h.took(), "the one that crashed least often is first")
		late := h.item("late", 0)
		require.True(t, q.Add(t.Context(), late))
		require.Empty(t, h.took(), "nothing runs beside it")
		q.Ended(other)
		require.Equal(t, []string{"run late"}, h.took())
		q.Ended(late)
		require.Equal(t, []string{"run guilty"}, h.took())
		q.Ended(guilty)
		require.Empty(t, h.took())
	})
}

func TestADeliveryIsDeadAfterItsCrashes(t *testing.T) {
	t.Parallel()
	quarantined(t, func(t *testing.T, h *host, q *Quarantine) {
		require.True(t, q.Add(t.Context(), h.item("busy", 0)))
		require.Equal(t, []string{"run busy"}, h.took())
		require.True(t, q.Add(t.Context(), h.item("guilty", MaxCrashes)))
		require.Equal(t, []string{"settle guilty: " + ErrCrashes.Error()}, h.took(), "at once, whatever runs")
	})
}

func TestABeginThatIsNotCountedDoesNotRun(t *testing.T) {
	t.Parallel()
	quarantined(t, func(t *testing.T, h *host, q *Quarantine) {
		h.count = func(d *consumer.Item) (bool, error) {
			if d.Key == "taken" {
				return false, nil
			}
			return true, errors.New("no database")
		}
		require.True(t, q.Add(t.Context(), h.item("taken", 0)))
		require.Equal(t, []string{"settle taken: " + message.ErrTaken.Error()}, h.took())
		require.True(t, q.Add(t.Context(), h.item("failed", 0)))
		require.Equal(t, []string{"settle failed: " + message.ErrNotBegun.Error() + "\nno database"}, h.took())
	})
}

// A handler that never returns does not hold up the quarantine for ever.
func TestTheEndOfARunIsNotWaitedForLongerThanItsTimeout(t *testing.T) {
	t.Parallel()
	quarantined(t, func(t *testing.T, h *host, q *Quarantine) {
		wait(calmAfter)
		require.True(t, q.Add(t.Context(), h.item("hangs", 1)))
		require.Equal(t, []string{"run hangs"}, h.took())
		require.True(t, q.Add(t.Context(), h.item("next", 1)))
		wait(time.Minute)
		require.Empty(t, h.took())
		wait(overtime)
		require.Equal(t, []string{"run next"}, h.took())
	})
}

func TestACloseReturnsWhatHasNotBegun(t *testing.T) {
	t.Parallel()
	quarantined(t, func(t *testing.T, h *host, q *Quarantine) {
		running, waiting := h.item("running", 0), h.item("waiting", 1)
		require.True(t, q.Add(t.Context(), running))
		require.True(t, q.Add(t.Context(), waiting))
		require.Equal(t, []string{"run running"}, h.took())
		held := make(map[*consumer.Item]struct{})
		q.Held(held)
		require.Equal(t, map[*consumer.Item]struct{}{waiting: {}}, held)
		require.Equal(t, []*consumer.Item{waiting}, q.Close())
		require.False(t, q.Add(t.Context(), h.item("late", 0)))
		q.Ended(running)
		wait(calmAfter)
		require.Empty(t, h.took())
	})
}

func TestOtherDeliveriesAreNoneOfItsBusiness(t *testing.T) {
	t.Parallel()
	quarantined(t, func(t *testing.T, h *host, q *Quarantine) {
		d := h.item("healthy", 0)
		d.Claim.Crashes = 1
		require.False(t, d.Claim.Quarantined())
		q.Ended(d)
		require.Empty(t, h.took())
	})
}
