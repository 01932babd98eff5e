package apptest

import (
	"context"
	"strings"
	"sync"
	"testing"

	"go.uber.org/fx"

	"plugboard/app"
)

// Recorder collects the events of one topic. It is a part for [New], made with [Record], and safe for
// concurrent use.
type Recorder[E app.Event] struct {
	app.PluginModule
	mu     sync.Mutex
	events []E
}

// Record returns a part that subscribes to the topic of E, in this process alone, and keeps the events. They arrive
// after their transaction has committed: call [App.WaitForEvents] before looking.
func Record[E app.Event]() *Recorder[E] {
	r := &Recorder[E]{}
	var zero E
	name := "apptest.record_" + strings.ReplaceAll(zero.Topic(), ".", "_")
	r.PluginModule = app.Plugin[*recorderPlugin[E]](name, func() *recorderPlugin[E] { return &recorderPlugin[E]{r} })
	return r
}

// Events returns the events so far, in the order of arrival.
func (r *Recorder[E]) Events() []E {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]E(nil), r.events...)
}

func (r *Recorder[E]) unwrap() fx.Option { return r.PluginModule }

type recorderPlugin[E app.Event] struct{ recorder *Recorder[E] }

// OnBoot implements app.Booter.
func (p *recorderPlugin[E]) OnBoot(b *app.Boot) {
	b.Subscribe(app.On(p.record), app.Volatile(), app.Concurrency(1))
}

func (p *recorderPlugin[E]) record(_ context.Context, event E) error {
	p.recorder.mu.Lock()
	defer p.recorder.mu.Unlock()
	p.recorder.events = append(p.recorder.events, event)
	return nil
}

// Publisher publishes events in the place of a domain that is not part of the test. It is a part for
// [New], made with [Announce].
type Publisher struct {
	app.PluginModule
	bus app.Bus
}

// Announce returns a part that may publish the given events, named by zero values.
func Announce(events ...app.Event) *Publisher {
	p := &Publisher{}
	p.PluginModule = app.Plugin[*publisherPlugin]("apptest.publish", func(bus app.Bus) *publisherPlugin {
		p.bus = bus
		return &publisherPlugin{events}
	})
	return p
}

// Publish publishes event, and fails the test when it cannot be published.
func (p *Publisher) Publish(t testing.TB, event app.Event, opts ...app.PublishOption) {
	t.Helper()
	if err := p.bus.Publish(Context(t), event, opts...); err != nil {
		t.Fatalf("publish %s: %v", event.Topic(), err)
	}
}

func (p *Publisher) unwrap() fx.Option { return p.PluginModule }

type publisherPlugin struct{ events []app.Event }

// OnBoot implements app.Booter.
func (p *publisherPlugin) OnBoot(b *app.Boot) { b.Publishes(p.events...) }

// Answers returns a part that answers the queries of a topic in the place of a domain that is not part of the test. The function that
// [app.Reply] is given may take the asker's own types:
//
//	apptest.Answers(app.Reply(func(_ context.Context, q plugins.StockQuery) (plugins.Stock, error) {
//		return plugins.Stock{Available: 3}, nil
//	}))
//
// A query that nothing answers is [app.Unavailable], as in the service. Answers of two responders for one topic are a start error.
func Answers(r app.Responder) Responder {
	name := "apptest.answer_" + strings.ReplaceAll(r.Topic(), ".", "_")
	return Responder{app.Plugin[*responderPlugin](name, func() *responderPlugin { return &responderPlugin{r} })}
}

// Responder is a part for [New], made with [Answers].
type Responder struct{ app.PluginModule }

func (r Responder) unwrap() fx.Option { return r.PluginModule }

type responderPlugin struct{ responder app.Responder }

// OnBoot implements app.Booter.
func (p *responderPlugin) OnBoot(b *app.Boot) { b.Answer(p.responder) }
