package apptest

import (
	"context"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"plugboard/app"
)

// Context returns a context as a handler gets it. It carries an [app.Call] with the request id "test", from which a test
// can read what the handler set. It is that of a request without an Idempotency-Key. It ends with the test.
func Context(t testing.TB) context.Context {
	return app.WithCall(t.Context(), &app.Call{Plugin: "apptest.test", RequestID: "test", Once: &app.OnceRequest{}})
}

// Logger returns a logger that writes to the test's log; in a benchmark, nowhere.
func Logger(t testing.TB) *zap.Logger {
	if _, ok := t.(*testing.B); ok {
		return zap.NewNop()
	}
	return zaptest.NewLogger(t, zaptest.Level(zap.InfoLevel))
}

// DeliveryContext returns a context as a subscriber gets it, for the given delivery, so that a handler can
// be called by hand. Completing the delivery succeeds and does nothing.
func DeliveryContext(t testing.TB, delivery app.Delivery) context.Context {
	return app.WithDelivery(t.Context(), handDelivery(delivery))
}

type handDelivery app.Delivery

func (d handDelivery) Delivery() app.Delivery         { return app.Delivery(d) }
func (d handDelivery) Complete(context.Context) error { return nil }
func (d handDelivery) NewCall() *app.Call {
	return &app.Call{Plugin: "apptest.test", RequestID: "test", Cause: d.Principal}
}
