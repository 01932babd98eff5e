package volatile_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/eventbus/internal/message"
	"plugboard/infra/eventbus/internal/volatile"
)

// No goroutine outlives its Close.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bus is a Volatile with the calls of its hooks.
type bus struct {
	*volatile.Volatile
	t *testing.T

	mu      sync.Mutex
	began   time.Time
	notes   []string
	dropped int
}

func newBus(t *testing.T, buffer int) *bus {
	t.Helper()
	b := &bus{t: t, began: time.Now()}
	b.Volatile = volatile.New(buffer, message.Hooks{
		Failed:  func(d *message.Delivery, err error) { b.note("%s failed: %v", d.Key, err) },
		Dead:    func(d *message.Delivery, err error) { b.note("%s died: %v", d.Key, err) },
		Dropped: func(string) { b.mu.Lock(); defer b.mu.Unlock(); b.dropped++ },
	})
	return b
}

func (b *bus) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}

// all returns the notes so far, and how many messages were dropped.
func (b *bus) all() ([]string, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.notes), b.dropped
}

// start starts b with one subscription.
func (b *bus) start(attempts int, handle func(context.Context, *message.Delivery) error) {
	b.t.Helper()
	b.Subscribe(message.Subscription{
		Name: "s", Topic: "a", Concurrency: 1, Attempts: attempts, BackoffMin: time.Second, BackoffMax: time.Minute,
		Timeout: time.Minute, Handle: handle,
	})
	require.NoError(b.t, b.Start(b.t.Context()))
}

// publish publishes a message called key.
func (b *bus) publish(ctx context.Context, key string, delay time.Duration) {
	b.t.Helper()
	require.NoError(b.t, b.Publish(ctx, &message.Message{Envelope: &message.Envelope{Topic: "a", Delay: delay}, Key: key, Time: message.Now()}))
}

func (b *bus) close() {
	b.t.Helper()
	require.NoError(b.t, b.Close(context.WithoutCancel(b.t.Context())))
}

func TestDelaysAndRetriesTakeTheirTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t, 16)
		b.start(3, func(_ context.Context, d *message.Delivery) error {
			b.note("%s%d after %s", d.Key, d.Attempt, time.Since(b.began).Round(time.Minute))
			if d.Key == "fails" {
				return errors.New("broken")
			}
			return nil
		})
		b.publish(t.Context(), "late", time.Hour)
		b.publish(t.Context(), "fails", 0)
		require.NoError(t, b.AwaitIdle(t.Context()), "it waits for both")
		notes, _ := b.all()
		require.Equal(t, []string{
			"fails1 after 0s", "fails failed: broken", "fails2 after 0s", "fails failed: broken", "fails3 after 0s",
			"fails failed: broken", "fails died: broken", "late1 after 1h0m0s",
		}, notes)
		b.close()
	})
}

func TestWhatCannotBeMendedDiesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t, 16)
		b.start(3, func(_ context.Context, d *message.Delivery) error {
			b.note("%s%d", d.Key, d.Attempt)
			if d.Attempt == 1 {
				return app.Permanent(errors.New("broken"))
			}
			return nil
		})
		b.publish(t.Context(), "k", 0)
		b.publish(t.Context(), "k", 0)
		require.NoError(t, b.AwaitIdle(t.Context()))
		notes, _ := b.all()
		require.Equal(t, []string{"k1", "k failed: broken", "k died: broken", "k1", "k failed: broken", "k died: broken"}, notes)
		b.close()
	})
}

func TestAFullSubscriptionSlowsItsPublisherDownOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t, 2)
		goOn := make(chan struct{})
		b.start(1, func(context.Context, *message.Delivery) error { <-goOn; return nil })
		waits := func() time.Duration {
			began := time.Now()
			b.publish(t.Context(), "k", 0)
			return time.Since(began)
		}
		require.Zero(t, waits())
		require.Zero(t, waits())
		require.Equal(t, 250*time.Millisecond, waits())
		require.Zero(t, waits(), "there is no progress")
		_, dropped := b.all()
		require.Equal(t, 2, dropped)
		require.False(t, b.Quiet("a"))
		require.True(t, b.Quiet("b"))
		close(goOn)
		require.NoError(t, b.AwaitIdle(t.Context()))
		require.Zero(t, waits())
		require.NoError(t, b.AwaitIdle(t.Context()))
		require.True(t, b.Quiet("a"))
		b.close()
	})
}

func TestCloseHandlesWhatWaitsAndLosesWhatIsDelayed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t, 16)
		b.start(5, func(_ context.Context, d *message.Delivery) error {
			<-time.After(time.Second)
			b.note("%s%d", d.Key, d.Attempt)
			if d.Key == "fails" {
				return errors.New("broken")
			}
			return nil
		})
		b.publish(t.Context(), "late", time.Hour)
		b.publish(t.Context(), "fails", 0)
		b.publish(t.Context(), "a", 0)
		b.publish(t.Context(), "b", 0)
		var closers sync.WaitGroup
		for range 3 {
			closers.Go(b.close)
		}
		closers.Wait()
		notes, _ := b.all()
		require.Equal(t, []string{"fails1", "fails failed: broken", "a1", "b1"}, notes, "the retry is lost too")
		b.publish(t.Context(), "c", 0)
		b.publish(t.Context(), "c", time.Second)
		_, dropped := b.all()
		require.Equal(t, 1, dropped)
		require.NoError(t, b.AwaitIdle(t.Context()))
		require.Error(t, b.Start(t.Context()))
	})
}

func TestCloseSaysWhichHandlersGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t, 16)
		goOn, ended := make(chan struct{}), make(chan struct{})
		b.start(1, func(ctx context.Context, _ *message.Delivery) error {
			<-ctx.Done()
			close(ended)
			<-goOn
			return nil
		})
		b.publish(t.Context(), "deaf", 0)
		b.publish(t.Context(), "waits", 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.EqualError(t, b.Close(ctx), "subscription s: 1 still running")
		<-ended
		require.Equal(t, map[string]int64{"s": 0}, b.Late())
		close(goOn)
		b.close()
	})
}

func TestWhatWasNotStartedIsClosedForGood(t *testing.T) {
	t.Parallel()
	b := newBus(t, 16)
	b.Subscribe(message.Subscription{Name: "s", Topic: "a", Concurrency: 1, Attempts: 1, Timeout: time.Minute})
	b.publish(t.Context(), "k", 0)
	b.close()
	require.NoError(t, b.AwaitIdle(t.Context()), "it is lost")
	require.Error(t, b.Start(t.Context()))
}

func TestOverdueRunsAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t, 16)
		goOn := make(chan struct{})
		b.start(1, func(context.Context, *message.Delivery) error { <-goOn; return nil })
		b.publish(t.Context(), "deaf", 0)
		<-time.After(2 * time.Minute)
		require.Equal(t, map[string]int64{"s": 1}, b.Late())
		close(goOn)
		<-time.After(time.Second)
		require.Equal(t, map[string]int64{"s": 0}, b.Late())
		b.close()
	})
}

func open(t *testing.T) *database.DB {
	t.Helper()
	settings := config.Default().Database
	settings.URL = apptest.SQLite(t).URL
	db, err := database.New(settings, zap.NewNop())
	require.NoError(t, err)
	require.NoError(t, db.Open(t.Context()))
	t.Cleanup(func() { require.NoError(t, db.Close(context.WithoutCancel(t.Context()))) })
	return db
}

// A subscription without room delayed the end of each transaction that published. On SQLite this delayed all writers.
func TestAFullSubscriptionDoesNotHoldUpTransactions(t *testing.T) {
	t.Parallel()
	db, b := open(t), newBus(t, 2)
	step, handled := make(chan struct{}), make(chan struct{}, 100)
	b.start(1, func(context.Context, *message.Delivery) error {
		<-step
		handled <- struct{}{}
		return nil
	})
	publish := func() {
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			b.publish(ctx, "a", 0)
			b.publish(ctx, "b", 0)
			return nil
		}))
	}
	publish()
	const rounds = 40
	begin := time.Now()
	for range rounds { // with room for one again each time
		step <- struct{}{}
		<-handled
		publish()
	}
	require.Less(t, time.Since(begin), rounds*200*time.Millisecond) // a wait takes 250 ms
	close(step)
	require.NoError(t, b.AwaitIdle(t.Context()))
	b.close()
}

func TestMessagesOfATransactionCountFromItsCommit(t *testing.T) {
	t.Parallel()
	db, b := open(t), newBus(t, 16)
	b.start(1, func(_ context.Context, d *message.Delivery) error { b.note("%s", d.Key); return nil })
	undo := errors.New("undo")
	publish := func(key string, err error) error {
		return db.InTx(t.Context(), func(ctx context.Context) error {
			b.publish(ctx, key, 0)
			require.True(t, b.Quiet("a"))
			return err
		})
	}
	require.ErrorIs(t, publish("undone", undo), undo)
	require.NoError(t, publish("done", nil))
	require.NoError(t, b.AwaitIdle(t.Context()))
	notes, _ := b.all()
	require.Equal(t, []string{"done"}, notes)
	b.close()
}
