package plugins // want package:"price.query price.query"

import (
	"context"
	"time"

	"m/app"
)

type Query struct {
	ID       int64  `json:"id"`
	Currency string `json:"currency"`
}

func (Query) Topic() string { return "price.query" }

type Price struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

type Second struct{}

func (Second) Topic() string { return "price.query" }

type Wrong struct {
	For time.Duration `json:"for"`
}

func (Wrong) Topic() string { return "price.wrong" }

type Timed struct{}

func (Timed) Topic() string { return "price.timed" }

type Counted struct{}

func (Counted) Topic() string { return "price.counted" }

type plugin struct{}

func (p *plugin) OnBoot(b *app.Boot) {
	b.Answer(app.Reply(p.quote))
	b.Answer(app.Reply(p.second))
	b.Answer(app.Reply(p.wrong))   // want `event price.wrong: field for is a time.Duration`
	b.Answer(app.Reply(p.timed))   // want `answer of price.timed: field for is a time.Duration`
	b.Answer(app.Reply(p.counted)) // want `the answer int is no struct`
}

func (p *plugin) quote(context.Context, Query) (Price, error)   { return Price{}, nil }
func (p *plugin) second(context.Context, Second) (Price, error) { return Price{}, nil }
func (p *plugin) wrong(context.Context, Wrong) (Price, error)   { return Price{}, nil }
func (p *plugin) timed(context.Context, Timed) (Wrong, error)   { return Wrong{}, nil }
func (p *plugin) counted(context.Context, Counted) (int, error) { return 0, nil }
