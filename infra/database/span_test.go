package database_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"plugboard/infra/database"
)

func TestStatementsHaveSpansWithoutTheirValues(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		spans := tracetest.NewInMemoryExporter()
		tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)).Tracer("test")
		require.NoError(t, add(t.Context(), db, "nobody's"))
		require.Empty(t, spans.GetSpans())

		ctx, around := tracer.Start(t.Context(), "around")
		require.NoError(t, db.InTx(ctx, func(ctx context.Context) error {
			if err := add(ctx, db, "secret lamp"); err != nil {
				return err
			}
			return db.Gorm().WithContext(ctx).First(&Lamp{}, "name = ?", "secret lamp").Error
		}))
		require.Error(t, add(ctx, db, "secret lamp"))
		_, err := db.ExecContext(ctx, "-- the word is below\n\tupdate\nlamps SET watts = watts + 1")
		require.NoError(t, err)
		var names []string
		failed := map[string]bool{}
		for _, span := range spans.GetSpans() {
			names = append(names, span.Name)
			failed[span.Name] = span.Status.Description != ""
			require.Equal(t, around.SpanContext().TraceID(), span.SpanContext.TraceID())
			require.Equal(t, "client", span.SpanKind.String())
			for _, a := range span.Attributes {
				require.NotContains(t, a.Value.String(), "secret")
			}
		}
		require.Equal(t, []string{"INSERT", "SELECT", "COMMIT", "transaction", "INSERT", "UPDATE"}, names)
		require.Equal(t, map[string]bool{"INSERT": true, "SELECT": false, "COMMIT": false, "transaction": false, "UPDATE": false}, failed)
	})
}
