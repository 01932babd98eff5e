package eventbus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"plugboard/app"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
)

// NoteDied is the announcement of dead deliveries of notes.
type NoteDied struct {
	EventID string `json:"event_id"`
}

func (NoteDied) Topic() string { return "_dlq.note.taken" }

// asAnn returns the context of a request of the principal "ann".
func asAnn(t *testing.T) context.Context {
	t.Helper()
	return app.WithCall(t.Context(), &app.Call{RequestID: "order-7", Principal: &app.Principal{ID: "ann", Permissions: []string{app.AllPermissions}}})
}

// caused says whom a delivery names, and who acts in its handler.
func caused(ctx context.Context, who string) string {
	d, _ := app.DeliveryFrom(ctx)
	acting, ok := app.PrincipalFrom(ctx)
	return fmt.Sprintf("%s: %s %q, attempt %d, acts as %q %t", who, d.Topic, d.Principal, d.Attempt, acting.ID, ok)
}

// The principal of a request is in all events of its chain, also after a failed attempt, in a dead letter, and when the event is read from
// the database. No handler acts as the principal.
func TestThePrincipalGoesDownTheChain(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got seen[string]
		var r *rig
		records := func(who string) func(context.Context, Made) error {
			return func(ctx context.Context, _ Made) error {
				got.keep(ctx, caused(ctx, who))
				return nil
			}
		}
		r = prepare(t, at, settings(), publishes(Note{}),
			func(b *app.Boot) {
				b.Publishes(Made{})
				b.Subscribe(app.OnTx(func(ctx context.Context, n Note) error {
					got.keep(ctx, caused(ctx, "maker"))
					return r.bus.For("p1").Publish(ctx, Made{ID: n.ID}, app.Delay(time.Duration(n.ID-1)*20*time.Millisecond))
				}), app.Named("maker"))
			},
			subscribes(app.On(func(ctx context.Context, _ Note) error {
				got.add(caused(ctx, "failing"))
				return errors.New("broken")
			}), app.Named("failing"), app.Attempts(2)),
			subscribes(app.On(func(ctx context.Context, _ NoteDied) error {
				got.add(caused(ctx, "undertaker"))
				return nil
			}), app.Named("undertaker")),
			subscribes(app.On(records("durable")), app.Named("durable")),
			subscribes(app.OnTx(records("ontx")), app.Named("ontx")),
			subscribes(app.On(records("volatile")), app.Named("volatile"), app.Volatile()),
		)
		require.NoError(t, r.bus.Start(t.Context()))
		want := func(principal string) []string {
			var lines []string
			for _, line := range []string{
				"durable: thing.made %q, attempt 1", "failing: note.taken %q, attempt 1", "failing: note.taken %q, attempt 2", "maker: note.taken %q, attempt 1",
				"ontx: thing.made %q, attempt 1", "undertaker: _dlq.note.taken %q, attempt 1", "volatile: thing.made %q, attempt 1",
			} {
				lines = append(lines, fmt.Sprintf(line, principal)+`, acts as "" false`)
			}
			return lines
		}
		for id, principal := range map[int64]string{1: "ann", 2: "ann", 3: ""} { // with id 2, the delay has the events read from the database
			got = seen[string]{}
			ctx := t.Context()
			if principal != "" {
				ctx = asAnn(t)
			}
			require.NoError(t, r.bus.For("p0").Publish(ctx, Note{ID: id}))
			require.Eventually(t, func() bool { return len(got.all()) >= len(want("")) }, 20*time.Second, 5*time.Millisecond)
			r.idle()
			lines := got.all()
			slices.Sort(lines)
			require.Equal(t, want(principal), lines)
		}
	})
}

// A responder runs for the asker: it has the asker's principal. When a subscriber asks, nobody acts, and what the responder publishes has
// the principal at the beginning of the chain.
func TestAnAnswerIsGivenOnBehalfOfTheAsker(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got seen[string]
		var r *rig
		r = prepare(t, at, settings(),
			func(b *app.Boot) {
				b.Publishes(Note{})
				b.Subscribe(app.On(func(ctx context.Context, n Note) error {
					if n.ID == 1 {
						_, err := app.Ask[Note](ctx, r.bus.For("p0"), Made{})
						return err
					}
					got.add(caused(ctx, "subscriber"))
					return nil
				}))
			},
			func(b *app.Boot) {
				b.Publishes(Note{})
				b.Answer(app.Reply(func(ctx context.Context, _ Made) (Note, error) {
					p, ok := app.PrincipalFrom(ctx)
					got.add(fmt.Sprintf("responder: acts as %q %t, with all permissions %t", p.ID, ok, p.Can("x")))
					return Note{}, r.bus.For("p1").Publish(ctx, Note{ID: 2})
				}))
			})
		require.NoError(t, r.bus.Start(t.Context()))
		const published = `subscriber: note.taken "ann", attempt 1, acts as "" false`
		_, err := app.Ask[Note](asAnn(t), r.bus.For("p0"), Made{})
		require.NoError(t, err)
		r.idle()
		require.Equal(t, []string{`responder: acts as "ann" true, with all permissions true`, published}, got.all())

		got = seen[string]{}
		require.NoError(t, r.bus.For("p0").Publish(asAnn(t), Note{ID: 1}))
		r.idle()
		require.Equal(t, []string{`responder: acts as "" false, with all permissions false`, published}, got.all())
	})
}

// A replica of the version before stores events without a principal, while this one runs.
func TestEventsOfTheVersionBeforeHaveNoPrincipal(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got seen[string]
		r := start(t, at, settings(), publishes(Note{}), subscribes(app.On(func(ctx context.Context, _ Note) error {
			got.add(caused(ctx, "reader"))
			return nil
		}), app.Named("reader")))
		insert(t, r, "note.taken", "reader", `{"id":1}`)
		require.Eventually(t, func() bool { return len(got.all()) == 1 }, 20*time.Second, 5*time.Millisecond)
		require.Equal(t, []string{`reader: note.taken "", attempt 1, acts as "" false`}, got.all())
	})
}

// No request begins the chain of a schedule, so it has no principal.
func TestAScheduleHasNoPrincipal(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got seen[string]
		r := start(t, at, settings(), schedules("@daily", app.On(func(ctx context.Context, _ app.Due) error {
			got.add(caused(ctx, "daily"))
			return nil
		})))
		require.NoError(t, r.bus.Run(t.Context(), p0Schedule, time.Now()))
		r.idle()
		require.Equal(t, []string{`daily: _due.p0/schedule "", attempt 1, acts as "" false`}, got.all())
	})
}

// Spans and logs of the handlers name the principal at the beginning of the chain, and have no such field when nobody is known.
func TestSpansAndLogsOfHandlersNameThePrincipal(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		core, logs := observer.New(zap.WarnLevel)
		db := openAt(t, at)
		bus, err := eventbus.New(settings(), db, zap.New(core), nil)
		require.NoError(t, err)
		require.NoError(t, db.Migrate(t.Context(), []database.MigrationSet{bus.Migrations()}))
		require.Empty(t, bus.Check(boot(t, bus, publishes(Note{}), subscribes(app.On(func(ctx context.Context, _ Note) error {
			app.Logger(ctx, zap.New(core)).Warn("from the handler")
			return errors.New("broken")
		}), app.Attempts(1)))))
		spans := tracetest.NewInMemoryExporter()
		bus.Trace(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)))
		require.NoError(t, bus.Start(t.Context()))
		r := &rig{t: t, db: db, bus: bus}
		t.Cleanup(r.stop)

		for _, ctx := range []context.Context{asAnn(t), app.WithCall(t.Context(), &app.Call{RequestID: "order-8"})} {
			require.NoError(t, bus.For("p0").Publish(ctx, Note{ID: 1}))
			r.idle()
		}
		for _, message := range []string{"from the handler", "event handler failed"} {
			lines := logs.FilterMessage(message).All()
			require.Len(t, lines, 2, message)
			require.Equal(t, []any{"order-7", "ann"}, []any{lines[0].ContextMap()["request_id"], lines[0].ContextMap()["principal"]})
			require.Equal(t, "order-8", lines[1].ContextMap()["request_id"])
			require.NotContains(t, lines[1].ContextMap(), "principal")
		}
		all := spans.GetSpans()
		require.Len(t, all, 2)
		require.Contains(t, all[0].Attributes, attribute.String("plugboard.principal", "ann"))
		for _, a := range all[1].Attributes {
			require.NotEqual(t, attribute.Key("plugboard.principal"), a.Key)
		}
	})
}
