package plugins // want package:`\) 0x` package:"shop.sold"

import (
	"context"
	"time"

	_ "example.org/mailer"           // want `a service that knows better names the library in its plug.yaml`
	_ "github.com/redis/go-redis/v9" // want `opens connections of its own`
	_ "github.com/shopspring/decimal"
	_ "github.com/stripe/stripe-go/v82"
	"m/app"
	_ "m/config"       // want `a domain knows app and itself`
	_ "m/domains/shop" // want `a domain never imports another; declare an event struct of your own .*; a type that several domains name, such as money, is declared in app/<name> of the service`
	_ "shop.example/app/names"
)

var Place = app.Plugin[*PlacePlugin]("orders.place", NewPlacePlugin)

type PlacePlugin struct{}

func NewPlacePlugin() *PlacePlugin { return &PlacePlugin{} }

type SoldEvent struct {
	ID int64 `json:"id"`
}

func (SoldEvent) Topic() string { return "shop.sold" }

type GoneEvent struct {
	ID int64 `json:"id"`
}

func (GoneEvent) Topic() string { return "shop.gone" }

func (p *PlacePlugin) OnBoot(b *app.Boot) {
	b.Subscribe(app.On(p.Sold))
	b.Subscribe(app.On(p.Gone))
}

func (p *PlacePlugin) Sold(context.Context, SoldEvent) error {
	time.Sleep(time.Second) // want `time.Sleep in a handler`
	return nil
}

func (p *PlacePlugin) Gone(context.Context, GoneEvent) error { return nil }
