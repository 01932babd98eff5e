package apptest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"plugboard/app"
	"plugboard/infra/database"
)

// Bus is an [app.Bus] that hands events to nobody and remembers them, for plugins made by hand. An event
// published in a transaction is remembered when that commits; one that is rolled back is not. The zero
// Bus is ready to use, and safe for concurrent use.
type Bus struct {
	mu         sync.Mutex
	published  []Publication
	responders map[string]app.Responder
	err        error
}

// Publication is one event a [Bus] was given.
type Publication struct {
	// Event is the event, as it was published.
	Event app.Event
	// Options are the options it was published with.
	Options app.PublishOptions
}

// Fail has every later Publish fail with err; nil has them succeed again.
func (b *Bus) Fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

// Answer has r answer the queries of its topic, in the place of the plugin that would.
func (b *Bus) Answer(r app.Responder) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.responders == nil {
		b.responders = map[string]app.Responder{}
	}
	b.responders[r.Topic()] = r
}

// Publish implements [app.Bus].
func (b *Bus) Publish(ctx context.Context, event app.Event, opts ...app.PublishOption) error {
	b.mu.Lock()
	err := b.err
	b.mu.Unlock()
	if err != nil {
		return err
	}
	remember := func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.published = append(b.published, Publication{Event: event, Options: app.NewPublishOptions(opts)})
	}
	tx, err := database.Join(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("publish %s: not in the transaction: %w", event.Topic(), err)
	case tx != nil:
		tx.Attach(nil, database.Participant{AfterCommit: remember})
	default:
		remember()
	}
	return nil
}

// Ask implements [app.Bus]. Query and answer pass through JSON, as between domains that do not share types.
func (b *Bus) Ask(ctx context.Context, query app.Event, answer any) error {
	b.mu.Lock()
	r, ok := b.responders[query.Topic()]
	b.mu.Unlock()
	if !ok {
		return app.Errorf(app.Unavailable, "nobody answers %s", query.Topic())
	}
	asked := r.New()
	if err := convert(query, asked); err != nil {
		return err
	}
	answered, err := r.Call(ctx, asked)
	if err != nil {
		return err
	}
	return convert(answered, answer)
}

// Ask asks the running application's plugins, as a plugin of another domain would, and returns the answer. The test declares the query
// and the answer with the fields that it sends and reads, or takes those of the plugin.
func Ask[A any](a *App, query app.Event) (A, error) {
	return app.Ask[A](Context(a.t), a.host.Bus().For("apptest.test"), query)
}

// Publications returns the published events with their options, in the order of the commits.
func (b *Bus) Publications() []Publication {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Publication(nil), b.published...)
}

// Published returns the events of type E that were published with bus, in order. It fails the test when there are other
// events, since the events of a plugin are part of its promise.
func Published[E app.Event](t testing.TB, bus *Bus) []E {
	t.Helper()
	var events []E
	for _, p := range bus.Publications() {
		e, ok := p.Event.(E)
		if !ok {
			t.Errorf("published %T, want only %s", p.Event, reflect.TypeFor[E]())
			continue
		}
		events = append(events, e)
	}
	return events
}

func convert(from, to any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return errors.Join(errors.New("convert between domains' types"), err)
	}
	return json.Unmarshal(text, to)
}
