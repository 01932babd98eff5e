package database

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"plugboard/app"
	"plugboard/infra/database/internal/sqltext"
	"plugboard/infra/telemetry"
)

// Trace sets the provider of spans. Each statement and transaction then gets a span if its caller has a recorded one. Call it before
// [DB.Open]. Without it there are no spans.
func (db *DB) Trace(p trace.TracerProvider) {
	db.tracer = telemetry.Tracer(p, "plugboard/infra/database")
}

// span begins a span if the span of ctx is recorded, and returns the function that ends it. Without a name it has the statement's
// first word. Its attributes follow the semantic conventions for databases. statement has no values in it; of an error the span only
// has the kind, since the text may contain values.
func (db *DB) span(ctx context.Context, name, statement string) (context.Context, func(error)) {
	if db.tracer == nil || !trace.SpanFromContext(ctx).IsRecording() {
		return ctx, func(error) {}
	}
	if name == "" {
		name = cmp.Or(sqltext.FirstWord(statement), "statement")
	}
	ctx, span := db.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient))
	span.SetAttributes(attribute.String("db.system.name", systemName(db.Dialect())))
	if statement != "" {
		const most = 2048
		span.SetAttributes(attribute.String("db.query.text", strings.ToValidUTF8(statement[:min(len(statement), most)], "")))
	}
	return ctx, func(err error) {
		if err != nil {
			kind := failureKind(err)
			span.SetAttributes(attribute.String("error.type", kind))
			span.SetStatus(codes.Error, kind)
		}
		span.End()
	}
}

// errUndone stands in a span for every failure of a transaction, since the text of the real one may contain values.
var errUndone = errors.New("rolled back")

// transactionFailure returns the error for the span of a transaction that ended with err. An err with a status below 500 is an answer
// to the caller and no failure.
func transactionFailure(err error) error {
	if err == nil || app.CodeOf(err).Status() < http.StatusInternalServerError {
		return nil
	}
	return errUndone
}

// failureKind names the kind of a failure, by the database's number if it has one.
func failureKind(err error) string {
	if fault, ok := faultOf(err); ok && fault.Number != "" {
		return fault.Number
	}
	switch {
	case errors.Is(err, errUndone):
		return err.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case lostConnection(err):
		return "connection lost"
	default:
		return "failed"
	}
}

func systemName(d Dialect) string {
	if d == Postgres {
		return "postgresql"
	}
	return "sqlite"
}
