package plugins

import (
	"context"
	"time"

	"m/app"
)

type SoldThing struct {
	ID     int64             `json:"id"`
	Price  float64           `json:"price"`
	Lines  []SoldLine        `json:"lines"`
	Labels map[string]string `json:"labels"`
	At     *time.Time        `json:"at"`
	Small  int64             `json:"small"`
}

type SoldLine struct {
	Count int64 `json:"count"`
}

func (SoldThing) Topic() string { return "shop.sold" }

type Paid struct {
	ID int64 `json:"id"`
}

func (Paid) Topic() string { return "shop.paid" }

type plugin struct{}

func (p *plugin) OnBoot(b *app.Boot) {
	b.Subscribe(app.On(p.hear))
	b.Publishes(Paid{})
}

func (p *plugin) hear(context.Context, SoldThing) error { return nil }
