package workpool_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"plugboard/app"
)

func TestAJobHasASpanWithinItsCallers(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	tracer := provider.Tracer("test")
	b := startBench(t, settings())
	b.Trace(provider)
	broken, refused := errors.New("broken by secret-name-42"), app.Errorf(app.Invalid, "secret-name-42 is no image")
	for _, want := range []error{nil, broken, refused} {
		spans.Reset()
		ctx, around := tracer.Start(as("a"), "around")
		_, err := b.Run(ctx, func(app.Job) (any, error) { return nil, want })
		require.ErrorIs(t, err, want)
		made := spans.GetSpans()
		require.Len(t, made, 1)
		require.Equal(t, "compute", made[0].Name)
		require.Equal(t, around.SpanContext().SpanID(), made[0].Parent.SpanID())
		require.Equal(t, "begun", made[0].Events[0].Name)
		require.Equal(t, want == broken, made[0].Status.Code == codes.Error, "a refusal is an answer") //nolint:errorlint // that one
		require.NotContains(t, fmt.Sprint(made[0]), "secret-name-42", "what an error says may be a user's")
	}
	spans.Reset()
	_, err := b.Run(as("a"), func(app.Job) (any, error) { return nil, nil })
	require.NoError(t, err)
	require.Empty(t, spans.GetSpans(), "nobody's trace")
}
