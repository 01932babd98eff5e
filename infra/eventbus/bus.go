package eventbus

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/eventbus/internal/codec"
	"plugboard/infra/eventbus/internal/message"
	"plugboard/infra/eventbus/internal/outbox"
	"plugboard/infra/eventbus/internal/outbox/store"
	"plugboard/infra/eventbus/internal/schedule"
	"plugboard/infra/eventbus/internal/volatile"
)

// Bus is the event bus. Make it with [New], give it the plugins with [Bus.Check], then start it. Its methods may be called
// concurrently after Check.
type Bus struct {
	cfg      config.Events
	db       *database.DB
	log      *zap.Logger
	meters   *meters
	volatile *volatile.Volatile
	outbox   *outbox.Outbox
	wiring   wiring
	// scheduler publishes the times of schedules.
	scheduler *schedule.Scheduler
	tracer    trace.Tracer // nil for no spans
	// reserves is the memory from which handlers reserve; nil sets no limit.
	reserves app.Memory
}

// New returns a bus that stores durable events in db. It opens and starts nothing.
func New(cfg config.Events, db *database.DB, log *zap.Logger, registry prometheus.Registerer) (*Bus, error) {
	b := &Bus{cfg: cfg, db: db, log: log.With(zap.String("component", "eventbus"))}
	b.volatile = volatile.New(cfg.Buffer, message.Hooks{Failed: b.failed, Dead: b.deadVolatile, Overdue: b.overdue, Dropped: b.dropped})
	b.outbox = outbox.New(cfg, db, b.log, message.Hooks{Failed: b.failed, Dead: b.dead, Overdue: b.overdue})
	var err error
	if b.meters, err = newMeters(registry, newGauges(b)); err != nil {
		return nil, fmt.Errorf("register event metrics: %w", err)
	}
	return b, nil
}

// Migrations returns the migrations of the event bus, in the same form as the migrations of a domain.
func (*Bus) Migrations() database.MigrationSet { return store.Migrations() }

// For returns the bus for a plugin.
func (b *Bus) For(plugin string) app.Bus { return &pluginBus{bus: b, plugin: plugin} }

// Open makes the bus ready for a process that publishes and delivers nothing, such as a command beside the service. It registers the
// subscriptions, as Start does: the events are stored for these, and for the active subscriptions of other versions that there are now.
// Volatile events have no subscribers. Call it instead of Start, on an open and migrated database.
func (b *Bus) Open(ctx context.Context) error {
	for _, s := range b.wiring.handlers() {
		if !s.Options.Volatile {
			b.outbox.Subscribe(b.effective(s))
		}
	}
	if err := b.outbox.Open(ctx); err != nil {
		return fmt.Errorf("open the event bus: %w", err)
	}
	return nil
}

// Start begins to deliver, also the deliveries that earlier runs have left. The database must be open and migrated.
func (b *Bus) Start(ctx context.Context) error {
	for _, s := range b.wiring.handlers() {
		if s.Options.Volatile {
			b.volatile.Subscribe(b.effective(s))
		} else {
			b.outbox.Subscribe(b.effective(s))
		}
	}
	if err := b.outbox.Start(ctx); err != nil {
		return fmt.Errorf("start event delivery: %w", err)
	}
	if err := b.volatile.Start(ctx); err != nil {
		return err
	}
	if !b.cfg.Schedules {
		return nil
	}
	b.scheduler = b.newScheduler()
	if err := b.scheduler.Start(ctx); err != nil {
		return errors.Join(err, b.Stop(ctx))
	}
	return nil
}

// Stop stops delivering. Running handlers may go on until shortly before ctx is done; then their contexts end. Durable deliveries that
// have not begun stay in the database. Stop may be called without Start, and twice.
func (b *Bus) Stop(ctx context.Context) error {
	b.scheduler.Stop()
	volatile := make(chan error, 1)
	go func() { volatile <- b.volatile.Close(ctx) }() // at the same time as the outbox, so that neither waits for the other's handlers
	durable := b.outbox.Close(ctx)
	return errors.Join(<-volatile, durable)
}

// Idle waits until no event waits or is handled. An event that waits for a retry or a delay counts as waiting; a dead delivery does not.
// Idle returns ctx's error when ctx is done first.
func (b *Bus) Idle(ctx context.Context) error {
	for {
		if err := b.outbox.AwaitIdle(ctx); err != nil {
			return err
		}
		if err := b.volatile.AwaitIdle(ctx); err != nil {
			return err
		}
		if b.outbox.Quiet() { // if not, a volatile handler has published a durable event meanwhile
			return nil
		}
	}
}

func (b *Bus) newScheduler() *schedule.Scheduler {
	all := make([]*schedule.Schedule, len(b.wiring.schedules))
	for i, sc := range b.wiring.schedules {
		all[i] = b.scheduleOf(sc)
	}
	return schedule.New(all, b.cfg.Poll, b.outbox.Store().Schedules(), b.outbox.StoredAs, b.log)
}

func (b *Bus) scheduleOf(sc *scheduled) *schedule.Schedule {
	s := &schedule.Schedule{
		Name: sc.name, Spec: sc.spec, Times: sc.times, Published: sc.published, Skipped: sc.skipped,
		Message: func(ctx context.Context, at time.Time) (*message.Message, error) {
			m := &message.Message{}
			return m, sc.publication.fill(ctx, m, message.Now(), app.Due{At: at}, nil)
		},
		Publish: func(ctx context.Context, m *message.Message) error { return b.publish(ctx, sc.publication, m) },
	}
	if sc.Options.Volatile {
		s.Quiet = func() bool { return b.volatile.Quiet(sc.topic) }
	}
	return s
}

// Run runs the schedule of that name once now, as if it were due at the time at. Tests of plugins call it. The error is app.NotFound when
// there is no such schedule.
func (b *Bus) Run(ctx context.Context, name string, at time.Time) error {
	for _, sc := range b.wiring.schedules {
		if sc.name == name {
			return b.scheduleOf(sc).Run(ctx, at.UTC())
		}
	}
	return app.Errorf(app.NotFound, "there is no schedule %q", name)
}

// Claiming returns nil as long as this process can claim durable events from the database; see [outbox.Outbox.Claiming].
func (b *Bus) Claiming() error { return b.outbox.Claiming() }

type pluginBus struct {
	bus       *Bus
	plugin    string
	announced atomic.Pointer[[]*publication]
}

// Publish implements app.Bus.
func (p *pluginBus) Publish(ctx context.Context, event app.Event, opts ...app.PublishOption) error {
	pub, err := p.publication(event)
	if err != nil {
		return err
	}
	m := p.bus.newMessage(pub)
	if err = pub.fill(ctx, m, p.bus.volatile.Now(), event, opts); err == nil {
		err = p.bus.publish(ctx, pub, m)
	}
	if err != nil {
		return fmt.Errorf("publish %s: %w", pub.topic, err)
	}
	return nil
}

// newMessage returns an empty message. Messages that a durable subscription takes live longer, so each has an allocation of its own.
func (b *Bus) newMessage(pub *publication) *message.Message {
	if pub.durable {
		return &message.Message{}
	}
	return b.volatile.NewMessage()
}

func (b *Bus) publish(ctx context.Context, pub *publication, m *message.Message) error {
	if pub.durable || b.outbox.OthersWant(m.Topic) {
		payload, err := codec.Encode(m.Local)
		if err != nil {
			return err
		}
		own := *m.Envelope
		own.Payload = payload
		m.Envelope = &own
		if err := b.outbox.Publish(ctx, m); err != nil {
			return err
		}
	}
	if pub.volatile {
		if err := b.volatile.Publish(ctx, m); err != nil {
			return err
		}
	}
	pub.published.Inc()
	return nil
}

// publication returns the plugin's publication of event's type. The error says if the plugin has not announced this type.
func (p *pluginBus) publication(event app.Event) (*publication, error) {
	t := reflect.TypeOf(event)
	if t == nil {
		return nil, errors.New("publish: the event is nil")
	}
	if t.Kind() == reflect.Pointer {
		if reflect.ValueOf(event).IsNil() {
			return nil, errors.New("publish: the event is nil")
		}
		t = t.Elem()
	}
	for _, pub := range p.publications() {
		if pub.event == t {
			return pub, nil
		}
	}
	return nil, fmt.Errorf("publish %s: plugin %s has not announced this event; add b.Publishes(%s{}) to its OnBoot",
		event.Topic(), p.plugin, t.Name())
}

// publications lists the publications of the plugin. A plugin has few of them, so a search in a list is faster than a map.
func (p *pluginBus) publications() []*publication {
	if list := p.announced.Load(); list != nil {
		return *list
	}
	var list []*publication
	for key, pub := range p.bus.wiring.publications {
		if key.plugin == p.plugin {
			list = append(list, pub)
		}
	}
	if p.bus.wiring.publications != nil {
		p.announced.Store(&list)
	}
	return list
}

// Limits for a publisher, so that no single event fills an index or a log line.
const (
	maxKey     = 512
	maxHeaders = 32
	maxHeader  = 4096
	maxDelay   = 366 * 24 * time.Hour
)

// fill makes m the message of event.
func (p *publication) fill(ctx context.Context, m *message.Message, now time.Time, event app.Event, opts []app.PublishOption) error {
	m.Envelope, m.Time, m.Local = &p.envelope, now, p.self.Snapshot(event)
	if p.keyed {
		m.Key = event.(app.Keyed).Key()
		if len(m.Key) > maxKey {
			return fmt.Errorf("the key is longer than %d bytes", maxKey)
		}
	}
	call := app.CallFrom(ctx)
	if call == nil && len(opts) == 0 {
		return nil
	}
	o := app.NewPublishOptions(opts)
	m.Envelope = p.envelopeIn(ctx, call, o)
	return checkOptions(o)
}

// envelopeIn returns the envelope of a message that is published in call. Call may be nil.
func (p *publication) envelopeIn(ctx context.Context, call *app.Call, o app.PublishOptions) *message.Envelope {
	e := p.envelope
	e.Headers, e.Delay = o.Headers, o.Delay
	if call != nil {
		e.RequestID, e.Principal, e.Trace = call.RequestID, call.CausedBy(), call.Trace
		if d, ok := app.DeliveryFrom(ctx); ok {
			e.Parent = d.EventID
		}
	}
	return &e
}

func checkOptions(o app.PublishOptions) error {
	if o.Delay < 0 || o.Delay > maxDelay {
		return fmt.Errorf("the delay %s is not between 0 and %s", o.Delay, maxDelay)
	}
	if len(o.Headers) > maxHeaders {
		return fmt.Errorf("more than %d headers", maxHeaders)
	}
	for name, value := range o.Headers {
		if name == "" || strings.HasPrefix(name, "_") || len(name)+len(value) > maxHeader {
			return fmt.Errorf("header %q: a name is not empty, does not start with an underscore, and has with its value at most %d bytes", name, maxHeader)
		}
	}
	return nil
}
