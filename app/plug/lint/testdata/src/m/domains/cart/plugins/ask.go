package plugins

import (
	"context"

	"m/app"
)

type Known struct {
	ID       int64  `json:"id"`
	Currency string `json:"currency"`
}

func (Known) Topic() string { return "price.query" }

type Amount struct {
	Amount int64 `json:"amount"`
}

type Short struct {
	ID string `json:"id"`
}

func (Short) Topic() string { return "price.query" }

type Other struct {
	Amount   string `json:"amount"`
	Discount int64  `json:"discount"`
}

type Unknown struct{}

func (Unknown) Topic() string { return "price.quarry" }

type plugin struct{ bus app.Bus }

func (p *plugin) OnBoot(b *app.Boot) {}

func (p *plugin) Execute(ctx context.Context, event app.Event) error {
	_, _ = app.Ask[Amount](ctx, p.bus, Known{})
	_, _ = app.Ask[Amount](ctx, p.bus, &Known{})
	_, _ = app.Ask[Amount](ctx, p.bus, event) // nobody knows what it is
	_, _ = app.Ask[Other](ctx, p.bus, Short{})
	_, _ = app.Ask[Amount](ctx, p.bus, Unknown{})
	_, _ = app.Ask[Amount](ctx, p.bus, Unknown{}) //plug:allow events a plugin of another team answers it
	var answer Other
	return p.bus.Ask(ctx, &Known{}, &answer)
}
