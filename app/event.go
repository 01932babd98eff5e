package app

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"
)

// Event is something that happened, announced under a topic. An event is a struct with JSON tags; its
// Topic method returns a constant. A subscriber in another domain declares a struct of its own with the
// same topic and just the fields it reads.
type Event interface {
	// Topic returns the event's topic, for example "product.created". It is the same for all values of
	// the type. Topics starting with "_" are the host's.
	Topic() string
}

// Keyed is implemented by events that must be handled in order. Events with the same topic and key reach
// each subscription one at a time, in commit order; those of other keys go on beside them. An empty key
// means no order.
type Keyed interface {
	Key() string
}

// Bus publishes events and asks queries. Plugins get one from Fx, which knows the plugin it belongs to.
// It is safe for concurrent use.
type Bus interface {
	// Publish announces event. Inside [InTx] the event commits with the transaction or not at all;
	// outside one it is durable when Publish returns nil. As for a statement, the context must be that of the
	// transaction, or savepoint, that is open: another one is refused. Subscribers run later, each in its own
	// time; Publish never waits for them. Publishing an event that the plugin did not announce with
	// [Boot.Publishes] is an error.
	Publish(ctx context.Context, event Event, opts ...PublishOption) error
	// Ask sends query to its responder and fills answer, a pointer to a struct. Use the function [Ask].
	Ask(ctx context.Context, query Event, answer any) error
}

// PublishOption changes one publish.
type PublishOption interface{ applyPublish(o *PublishOptions) }

type publishOption func(*PublishOptions)

func (f publishOption) applyPublish(o *PublishOptions) { f(o) }

// Delay makes the event wait: subscribers get it no earlier than d after the publish.
func Delay(d time.Duration) PublishOption {
	return publishOption(func(o *PublishOptions) { o.Delay = d })
}

// Header adds a header to the event, which handlers find in their [Delivery]. Names starting with "_" are
// refused.
func Header(name, value string) PublishOption {
	return publishOption(func(o *PublishOptions) {
		if o.Headers == nil {
			o.Headers = make(map[string]string, 1)
		}
		o.Headers[name] = value
	})
}

// Subscriber handles the events of one topic. Make it with [On] or [OnTx].
type Subscriber struct {
	topic string
	event reflect.Type
	tx    bool
	call  func(ctx context.Context, event any) error
	fresh func() any
}

// On makes a subscriber of fn. The event reaches fn at least once. It comes again when fn fails, panics or exceeds its
// timeout, and when the process dies before the end. For writes that take effect once, complete the delivery in their
// transaction with [Complete], or use [OnTx].
func On[E Event](fn func(context.Context, E) error) Subscriber {
	var used sync.Pool // fn gets a copy of the event, so the next event can use its memory
	return Subscriber{
		topic: topicOf[E](),
		event: reflect.TypeFor[E](),
		call: func(ctx context.Context, event any) error {
			e := event.(*E)
			own := *e
			*e = *new(E)
			used.Put(e)
			return fn(ctx, own)
		},
		fresh: func() any {
			if e := used.Get(); e != nil {
				return e
			}
			return new(E)
		},
	}
}

// OnTx is [On] with the whole of fn in one transaction, which completes the delivery too: the writes that fn makes with
// its context take effect exactly once. fn holds the transaction while it runs, so it must be short; on SQLite, which
// has one writer, it may take one second (a setting).
func OnTx[E Event](fn func(context.Context, E) error) Subscriber {
	s := On(fn)
	s.tx = true
	return s
}

func topicOf[E Event]() string {
	var zero E
	if t := reflect.TypeFor[E](); t.Kind() != reflect.Struct {
		return "" // the host reports it with plugin and file
	}
	return zero.Topic()
}

// SubscribeOption changes a subscription.
type SubscribeOption interface{ applySubscribe(o *SubscribeOptions) }

type subscribeOption func(*SubscribeOptions)

func (f subscribeOption) applySubscribe(o *SubscribeOptions) { f(o) }

// Named gives the subscription a name of its own instead of "<plugin>/<topic>". The name identifies a
// durable subscription across restarts.
func Named(name string) SubscribeOption {
	return subscribeOption(func(o *SubscribeOptions) { o.Name = name })
}

// Formerly gives the earlier names of the subscription, which were of the same topic. It remains one subscription: a
// version of the service that knows any of the names gets a share of the events.
func Formerly(names ...string) SubscribeOption {
	return subscribeOption(func(o *SubscribeOptions) { o.Formerly = append(o.Formerly, names...) })
}

// Concurrency sets how many events the subscription handles at a time in one process. Default: a setting.
func Concurrency(n int) SubscribeOption {
	return subscribeOption(func(o *SubscribeOptions) { o.Concurrency = n })
}

// Attempts sets how often a delivery is tried before it is dead. Default: a setting.
func Attempts(n int) SubscribeOption {
	return subscribeOption(func(o *SubscribeOptions) { o.Attempts = n })
}

// Backoff sets the wait after the first failure and the longest wait; between them it doubles from
// failure to failure, with jitter. Default: settings.
func Backoff(first, longest time.Duration) SubscribeOption {
	return subscribeOption(func(o *SubscribeOptions) { o.BackoffMin, o.BackoffMax = first, longest })
}

// Block makes a dead delivery hold up the later ones of its key until it is replayed or discarded. Without it they go
// on.
func Block() SubscribeOption {
	return subscribeOption(func(o *SubscribeOptions) { o.Block = true })
}

// Volatile keeps the subscription in this process: it gets the events that this process publishes while it runs, at most
// once, without database work.
func Volatile() SubscribeOption {
	return subscribeOption(func(o *SubscribeOptions) { o.Volatile = true })
}

// Ahead lets the service start while nobody publishes the topic of the subscription, for a subscriber that is there before
// its publisher. What the events will hold is then compared with nothing, so "plug lint" asks to remove Ahead once a plugin
// publishes the topic.
func Ahead() SubscribeOption {
	return subscribeOption(func(o *SubscribeOptions) { o.Ahead = true })
}

// Delivery tells a handler about the event it is handling.
type Delivery struct {
	// EventID is a UUIDv7, the same for all subscribers and all attempts.
	EventID string
	// Topic is the event's topic.
	Topic string
	// Key is the event's key, or "".
	Key string
	// Subscription is the name of the subscription.
	Subscription string
	// Attempt counts from 1.
	Attempt int
	// Emitter is the plugin that published the event.
	Emitter string
	// Parent is the id of the event whose handler published this one, or "".
	Parent string
	// RequestID is the id of the request at the beginning of the chain, or "".
	RequestID string
	// Principal is the ID of who made the request at the beginning of the chain, or "" when nobody was known, and for what no request
	// began, such as a schedule. It is for the record, not for decisions: the subscriber acts as itself, and the principal may have lost
	// its permissions since. So [PrincipalFrom] reports false in a subscriber.
	Principal string
	// Trace is the W3C traceparent of the publisher, or "".
	Trace string
	// Time is when the event was published, to the millisecond.
	Time time.Time
	// Headers are the headers given with [Header].
	Headers map[string]string
}

// DeliveryFrom returns the delivery that ctx belongs to. It reports false outside a subscriber.
func DeliveryFrom(ctx context.Context) (Delivery, bool) {
	source, ok := ctx.Value(deliveryKey{}).(DeliverySource)
	if !ok {
		return Delivery{}, false
	}
	return source.Delivery(), true
}

// Complete completes the delivery that ctx belongs to in the current transaction, so that the handler's writes and the
// completion take effect together, once. It must be called inside [InTx], in a subscriber. When another process has
// taken over the delivery, Complete returns an error: return it, so that the transaction is rolled back. For a volatile
// subscription it does nothing.
func Complete(ctx context.Context) error {
	source, ok := ctx.Value(deliveryKey{}).(DeliverySource)
	if !ok {
		return errors.New("app.Complete: not in a subscriber")
	}
	return source.Complete(ctx)
}

// DeadLetter is announced under "_dlq.<topic>" when a delivery is dead. A subscriber declares a struct of its
// own with that topic and the fields it reads.
type DeadLetter struct {
	EventID      string    `json:"event_id"`
	Topic        string    `json:"topic"`
	Key          string    `json:"key"`
	Subscription string    `json:"subscription"`
	Error        string    `json:"error"`
	Attempts     int       `json:"attempts"`
	Emitter      string    `json:"emitter"`
	PublishedAt  time.Time `json:"published_at"`
	DiedAt       time.Time `json:"died_at"`
}

// Responder answers the queries of one topic. Make it with [Reply].
type Responder struct {
	topic  string
	query  reflect.Type
	answer reflect.Type
	call   func(ctx context.Context, query any) (any, error)
	fresh  func() any
}

// Reply makes a responder of fn, which gets a query and returns its answer. It runs on the asker's
// goroutine, with the asker's deadline and outside the asker's transaction.
func Reply[Q Event, A any](fn func(context.Context, Q) (A, error)) Responder {
	return Responder{
		topic:  topicOf[Q](),
		query:  reflect.TypeFor[Q](),
		answer: reflect.TypeFor[A](),
		call: func(ctx context.Context, query any) (any, error) {
			a, err := fn(ctx, *query.(*Q))
			if err != nil {
				return nil, err
			}
			return &a, nil
		},
		fresh: func() any { return new(Q) },
	}
}

// Ask sends query to the plugin that answers its topic, in whatever domain, and returns the answer. The asker declares
// structs of its own for both, with the fields that it sends and reads. Without a responder the error is [Unavailable],
// at once. An error that the responder made with [Errorf] arrives unchanged.
func Ask[A any](ctx context.Context, bus Bus, query Event) (A, error) {
	var answer A
	err := bus.Ask(ctx, query, &answer)
	return answer, err
}
