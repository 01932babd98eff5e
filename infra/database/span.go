package database

import (
	"cmp"
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// span begins a span within the one of ctx, if that is recorded, and returns the function that ends it. Without a name it has
// the statement's first word. It is described as the semantic conventions for databases have it; statement has no values
// in it.
func (db *DB) span(ctx context.Context, name, statement string) (context.Context, func(error)) {
	around := trace.SpanFromContext(ctx)
	if !around.IsRecording() {
		return ctx, func(error) {}
	}
	if name == "" {
		name = cmp.Or(firstWord(statement), "statement")
	}
	ctx, span := around.TracerProvider().Tracer("plugboard/infra/database").Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient))
	span.SetAttributes(attribute.String("db.system.name", systemName(db.Dialect())))
	if statement != "" {
		const most = 2048
		span.SetAttributes(attribute.String("db.query.text", strings.ToValidUTF8(statement[:min(len(statement), most)], "")))
	}
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

// firstWord returns a statement's first word in capitals.
func firstWord(statement string) string {
	word := statement[skipBlank(statement):]
	if i := strings.IndexFunc(word, func(c rune) bool { return c|0x20 < 'a' || c|0x20 > 'z' }); i >= 0 {
		word = word[:i]
	}
	return strings.ToUpper(word)
}

func systemName(d Dialect) string {
	if d == Postgres {
		return "postgresql"
	}
	return "sqlite"
}
