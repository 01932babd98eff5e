package app_test

import (
	"context"

	"plugboard/app"
)

// PriceOf is the query. Who asks and who answers would each declare a struct of its own if they were of two domains.
type PriceOf struct {
	Item string `json:"item"`
}

// Topic implements app.Event.
func (PriceOf) Topic() string { return "price.of" }

// Price is the answer.
type Price struct {
	Cents int `json:"cents"`
}

type pricePlugin struct{}

func newPrice() *pricePlugin { return &pricePlugin{} }

func (p *pricePlugin) OnBoot(b *app.Boot) { b.Answer(app.Reply(p.Execute)) }

func (p *pricePlugin) Execute(_ context.Context, q PriceOf) (Price, error) {
	return Price{Cents: 100 * len(q.Item)}, nil
}

type offerPlugin struct{ bus app.Bus }

func newOffer(bus app.Bus) *offerPlugin { return &offerPlugin{bus} }

func (p *offerPlugin) OnBoot(b *app.Boot) { b.POST("/offers", app.Handle(p.Execute)) }

func (p *offerPlugin) Execute(ctx context.Context, req PriceOf) (Price, error) {
	return app.Ask[Price](ctx, p.bus, req)
}

// A query reaches the plugin that answers its topic, in whatever domain that is.
func ExampleAsk() {
	s := start(app.Domain("shop", app.Plugin[*pricePlugin]("shop.price", newPrice), app.Plugin[*offerPlugin]("shop.offer", newOffer)))
	defer s.stop()
	s.post("/offers", `{"item":"lamp"}`)
	// Output:
	// 200 {"success":true,"data":{"cents":400},"error":null}
}
