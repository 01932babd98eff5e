package plugins

import (
	"context"

	"m/app"
)

type Unknown struct{}

func (Unknown) Topic() string { return "shop.sould" }

type Dead struct{}

func (Dead) Topic() string { return "_dlq.shop.lost" }

type Missing struct {
	Colour string `json:"colour"`
}

func (Missing) Topic() string { return "shop.sold" }

type Unfit struct {
	ID    string   `json:"id"`
	Name  string   `json:"name"`
	Small int16    `json:"small"`
	Data  []uint16 `json:"data"`
	Lines []struct {
		Count bool `json:"count"`
	} `json:"lines"`
}

func (Unfit) Topic() string { return "shop.sold" }

type Letter struct {
	Error    string `json:"error"`
	Attempts string `json:"attempts"`
}

func (Letter) Topic() string { return "_dlq.shop.sold" }

type plugin struct{}

func (p *plugin) OnBoot(b *app.Boot) {
	b.Subscribe(app.On(p.unknown))
	b.Subscribe(app.On(p.unknown)) //plug:allow events another service publishes it
	b.Subscribe(app.On(p.dead))
	b.Subscribe(app.On(p.missing))
	b.Subscribe(app.On(p.unfit))
	b.Subscribe(app.On(p.letter))
}

func (p *plugin) unknown(context.Context, Unknown) error { return nil }
func (p *plugin) dead(context.Context, Dead) error       { return nil }
func (p *plugin) missing(context.Context, Missing) error { return nil }
func (p *plugin) unfit(context.Context, Unfit) error     { return nil }
func (p *plugin) letter(context.Context, Letter) error   { return nil }
