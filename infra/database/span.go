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

// Trace sets the provider of spans. From then on each statement and each transaction gets a span, if the span of its caller is recorded.
// Without this call there are no spans. Call it before [DB.Open].
func (db *DB) Trace(p trace.TracerProvider) {
	db.tracer = telemetry.Tracer(p, "plugboard/infra/database")
}

// span begins a span if the span of ctx is recorded, and returns the function that ends it. Without a name, the statement's first word is
// the name. The attributes follow OpenTelemetry's conventions for databases. A span has no values: statement has placeholders, and only
// the kind of an error is recorded, because its text may contain values.
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

// errUndone replaces, in a span, the error of a transaction. The text of the real error may contain values.
var errUndone = errors.New("rolled back")

// transactionFailure returns the error that the span of a transaction gets when the transaction has ended with err. It is nil for an err
// whose status is below 500: that is an answer to the caller and no failure.
func transactionFailure(err error) error {
	if err == nil || app.CodeOf(err).Status() < http.StatusInternalServerError {
		return nil
	}
	return errUndone
}

// failureKind names the kind of a failure: the number that the database gives it, if any, or a word.
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
