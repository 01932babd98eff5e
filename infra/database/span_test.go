package database_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"plugboard/app"
	"plugboard/infra/database"
)

func TestStatementsHaveSpansWithoutTheirValues(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		spans := tracetest.NewInMemoryExporter()
		provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
		db.Trace(provider)
		tracer := provider.Tracer("test")
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

// Of what failed a span tells the kind alone: the text of an error may hold what a user sent. A transaction that was rolled
// back for an answer below 500 did what it should.
func TestSpansTellTheKindOfAFailureWithoutItsText(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		spans := tracetest.NewInMemoryExporter()
		provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
		db.Trace(provider)
		tracer := provider.Tracer("test")
		ctx, around := tracer.Start(t.Context(), "around")
		defer around.End()
		unique := map[database.Dialect]string{database.Postgres: "SQLSTATE 23505", database.SQLite: "SQLite 2067"}[dialect]
		require.NoError(t, add(t.Context(), db, "secret-name-42"))
		taken := func(ctx context.Context) error {
			return fmt.Errorf("insert lamp: %w", app.Errorf(app.Conflict, "secret-name-42 exists").Because(add(ctx, db, "secret-name-42")))
		}
		for name, c := range map[string]struct {
			fn    func(ctx context.Context) error
			spans map[string]string
		}{
			"an answer":   {taken, map[string]string{"INSERT": unique, "transaction": ""}},
			"a failure":   {func(context.Context) error { return errors.New("secret-name-42 is gone") }, map[string]string{"transaction": "rolled back"}},
			"a panic":     {func(context.Context) error { panic("secret-name-42") }, map[string]string{"transaction": "rolled back"}},
			"what is not": {func(ctx context.Context) error { _, err := db.ExecContext(ctx, "SELEC 'secret-name-42'"); return err }, nil},
		} {
			spans.Reset()
			func() {
				defer func() { _ = recover() }()
				require.Error(t, db.InTx(ctx, c.fn), name)
			}()
			told := map[string]string{}
			for _, span := range spans.GetSpans() {
				told[span.Name] = span.Status.Description
				require.Equal(t, span.Status.Description != "", span.Status.Code == codes.Error)
				require.NotContains(t, span.Status.Description, "secret-name-42")
			}
			if c.spans != nil {
				require.Equal(t, c.spans, told, name)
			}
		}
	})
}
