package eventbus_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestZZ(t *testing.T) {
	var c clinic
	c.sick.Store(true)
	r := start(t, site{"sqlite", "sqlite:" + filepath.Join(t.TempDir(), "x.db")}, settings(), c.plugins()...)
	require.NoError(t, r.db.InTx(t.Context(), func(ctx context.Context) error {
		for id := range int64(450) {
			if err := r.bus.For("p0").Publish(ctx, Made{ID: id}); err != nil {
				return err
			}
		}
		return nil
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.bus.Idle(ctx) }()
	for range 12 {
		select {
		case err := <-done:
			t.Log("idle", err)
			return
		case <-time.After(500 * time.Millisecond):
		}
		t.Log(subscriptions(t, r.bus.Admin("x")))
	}
}
