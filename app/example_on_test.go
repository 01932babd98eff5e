package app_test

import (
	"context"
	"fmt"

	"plugboard/app"
)

// LampSold is what the plugins below announce and listen to. Each would declare a struct of its own if they were of two
// domains.
type LampSold struct {
	Number int `json:"number"`
}

// Topic implements app.Event.
func (LampSold) Topic() string { return "lamp.sold" }

// Key implements app.Keyed: events of one key are handled in order.
func (LampSold) Key() string { return "all" }

type sellPlugin struct{ bus app.Bus }

func newSell(bus app.Bus) *sellPlugin { return &sellPlugin{bus} }

func (p *sellPlugin) OnBoot(b *app.Boot) {
	b.POST("/sales", app.Handle(p.Execute))
	b.Publishes(LampSold{})
}

func (p *sellPlugin) Execute(ctx context.Context, e LampSold) (app.Empty, error) {
	return app.Empty{}, p.bus.Publish(ctx, e)
}

type countPlugin struct{}

func newCount() *countPlugin { return &countPlugin{} }

func (p *countPlugin) OnBoot(b *app.Boot) { b.Subscribe(app.On(p.Execute), app.Attempts(3)) }

// Execute is called at least once for each event, and again when it fails.
func (p *countPlugin) Execute(ctx context.Context, e LampSold) error {
	d, _ := app.DeliveryFrom(ctx)
	fmt.Printf("%s: lamp %d, attempt %d\n", d.Subscription, e.Number, d.Attempt)
	return nil
}

// A subscriber handles the events of one topic.
func ExampleOn() {
	s := start(app.Domain("lamps", app.Plugin[*sellPlugin]("lamps.sell", newSell), app.Plugin[*countPlugin]("lamps.count", newCount)))
	defer s.stop()
	s.post("/sales", `{"number":1}`)
	s.post("/sales", `{"number":2}`)
	s.waitForEvents()
	// Unordered output:
	// 200 {"success":true,"data":{},"error":null}
	// 200 {"success":true,"data":{},"error":null}
	// lamps.count/lamp.sold: lamp 1, attempt 1
	// lamps.count/lamp.sold: lamp 2, attempt 1
}
