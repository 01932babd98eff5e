package consumer

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"plugboard/infra/eventbus/internal/message"
)

// No goroutine of a consumer outlives its Wait.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// owner is an owner whose methods a test can replace by functions. It notes the outcomes of deliveries by their names.
type owner struct {
	run      func(context.Context, *Item) error
	runBatch func(context.Context, []*Item) bool
	idle     atomic.Int64

	mu       sync.Mutex
	outcomes []string
}

func (o *owner) Run(ctx context.Context, d *Item) error { return o.run(ctx, d) }

func (o *owner) RunBatch(ctx context.Context, batch []*Item) bool { return o.runBatch(ctx, batch) }

func (o *owner) Settle(d *Item, err error) bool {
	d.Consumer().Advance(d)
	outcome := name(d)
	if err != nil {
		outcome += ": " + err.Error()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.outcomes = append(o.outcomes, outcome)
	return true
}

func (o *owner) Idle() { o.idle.Add(1) }

func (o *owner) settled() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Sorted(slices.Values(o.outcomes))
}

// name returns the topic of d. Tests use it as the name of the delivery.
func name(d *Item) string { return d.Topic }

func names(all []*Item) []string {
	list := []string{}
	for _, d := range all {
		list = append(list, name(d))
	}
	return list
}

// item returns a delivery with a name made of its key and number.
func item(c *Consumer, key string, number int64, order *KeyState) *Item {
	m := &message.Message{Envelope: &message.Envelope{Topic: fmt.Sprint(key, number)}, Key: key}
	return c.NewItem(m, 1, number, order)
}

// push pushes a delivery for each of keys to c. Its name is the key, and the number of deliveries before it.
func push(t *testing.T, c *Consumer, keys ...string) {
	t.Helper()
	for i, key := range keys {
		require.True(t, c.Reserve())
		d := item(c, key, 0, nil)
		d.Topic = fmt.Sprint(key, i)
		require.True(t, c.Push(d))
	}
}

// pulled returns a started consumer whose deliveries the test pulls.
func pulled(t *testing.T) *Consumer {
	t.Helper()
	c := New(&message.Subscription{Name: "s"}, &owner{}, Options{Capacity: 100, OwnerRuns: true})
	c.Start(t.Context())
	return c
}

// pull pulls all ready deliveries and returns their names.
func pull(c *Consumer) (got []*Item) {
	for d := c.Pull(); d != nil; d = c.Pull() {
		got = append(got, d)
	}
	return got
}

// end closes c and waits for its workers.
func end(t *testing.T, c *Consumer) {
	t.Helper()
	c.Close()
	require.NoError(t, c.Wait(context.WithoutCancel(t.Context())))
}
