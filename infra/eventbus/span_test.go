package eventbus_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"plugboard/app"
)

// Each run of a handler has a span. Events that the handler publishes belong to this span.
func TestEveryRunOfAHandlerHasASpan(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		spans := tracetest.NewInMemoryExporter()
		var r *rig
		r = prepare(t, at, settings(), publishes(Note{}),
			func(b *app.Boot) {
				b.Publishes(Made{})
				b.Subscribe(app.OnTx(func(ctx context.Context, _ Note) error { return r.bus.For("p1").Publish(ctx, Made{ID: 1}) }), app.Named("maker"))
			},
			subscribes(app.On(func(context.Context, Note) error { panic("broken") }), app.Named("panicking"), app.Attempts(1)),
			subscribes(app.On(func(ctx context.Context, _ Made) error {
				if d, _ := app.DeliveryFrom(ctx); d.Attempt == 1 {
					return app.Errorf(app.Unavailable, "secret-name-42 does not answer")
				}
				return nil
			}), app.Named("flaky")),
			subscribes(app.On(func(context.Context, Made) error { return nil }), app.Named("volatile"), app.Volatile()),
		)
		r.bus.Trace(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)))
		require.NoError(t, r.bus.Start(t.Context()))
		ctx := app.WithCall(t.Context(), &app.Call{Trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
		require.NoError(t, r.bus.For("p0").Publish(ctx, Note{ID: 1}))
		r.idle()

		bySubscription := map[string][]tracetest.SpanStub{}
		for _, span := range spans.GetSpans() {
			require.Equal(t, "0af7651916cd43dd8448eb211c80319c", span.SpanContext.TraceID().String())
			for _, a := range span.Attributes {
				if a.Key == "messaging.consumer.group.name" {
					bySubscription[a.Value.String()] = append(bySubscription[a.Value.String()], span)
				}
			}
		}
		maker, panicking, flaky, volatile := bySubscription["maker"], bySubscription["panicking"], bySubscription["flaky"], bySubscription["volatile"]
		require.Len(t, maker, 1)
		require.Equal(t, "b7ad6b7169203331", maker[0].Parent.SpanID().String())
		require.Len(t, panicking, 1)
		require.Equal(t, "the handler panicked", panicking[0].Status.Description)
		require.Len(t, flaky, 2)
		require.Equal(t, []string{"the handler failed", ""}, []string{flaky[0].Status.Description, flaky[1].Status.Description})
		require.Contains(t, flaky[0].Attributes, attribute.String("error.type", "unavailable"))
		require.NotContains(t, fmt.Sprint(spans.GetSpans()), "secret-name-42", "what an error says may be a user's")
		require.Len(t, volatile, 1)
		for _, below := range append(flaky, volatile...) {
			require.Equal(t, "process thing.made", below.Name)
			require.Equal(t, maker[0].SpanContext.SpanID(), below.Parent.SpanID())
		}
	})
}
