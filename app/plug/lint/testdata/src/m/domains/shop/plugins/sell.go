package plugins // want package:"shop.sold"

import (
	"context"
	"time"

	"m/app"
)

type Sold struct {
	ID     int64             `json:"id"`
	Price  float64           `json:"price"`
	Name   *string           `json:"name"`
	Lines  []Line            `json:"lines"`
	Labels map[string]string `json:"labels"`
	At     time.Time         `json:"at"`
	Small  int32             `json:"small"`
	Data   []byte            `json:"data"`
}

type Line struct {
	Count int `json:"count"`
}

func (Sold) Topic() string { return "shop.sold" }

type Paid struct {
	ID int64 `json:"id"`
}

func (Paid) Topic() string { return "shop.paid" }

type Moody struct{ Name string }

func (m Moody) Topic() string { return m.Name }

type Loud struct{}

func (Loud) Topic() string { return "Shop Sold" }

type Timed struct {
	For time.Duration `json:"for"`
}

func (Timed) Topic() string { return "shop.timed" }

type Keyed struct {
	By map[int]string `json:"by"`
}

func (Keyed) Topic() string { return "shop.keyed" }

type Nested struct {
	Inner *Nested `json:"inner"`
}

func (Nested) Topic() string { return "shop.nested" }

type Strung struct {
	ID int64 `json:"id,string"`
}

func (Strung) Topic() string { return "shop.strung" }

type Colour int

func (Colour) MarshalText() ([]byte, error) { return nil, nil }

type Formed struct {
	Colour Colour `json:"colour"`
}

func (Formed) Topic() string { return "shop.formed" }

type Pointed struct {
	Count **int `json:"count"`
}

func (Pointed) Topic() string { return "shop.pointed" }

type Open struct {
	Any any `json:"any"`
}

func (Open) Topic() string { return "shop.open" }

type Twice struct {
	ID    int64 `json:"id"`
	Other int64 `json:"id"`
}

func (Twice) Topic() string { return "shop.twice" }

type Embeds struct {
	*Line
	ID int64 `json:"id"`
}

func (Embeds) Topic() string { return "shop.embeds" }

type Closed struct{ id int64 }

func (Closed) Topic() string { return "shop.closed" }

type Tagged struct {
	id int64 `json:"id"`
}

func (Tagged) Topic() string { return "shop.tagged" }

type Quoted struct {
	ID int64 `json:"'id'"`
}

func (Quoted) Topic() string { return "shop.quoted" }

type Stamped struct{ time.Time }

func (Stamped) Topic() string { return "shop.stamped" }

type plugin struct{}

func (p *plugin) OnBoot(b *app.Boot) {
	b.Publishes(Sold{})
	b.Publishes(Moody{})  // want `the topic of Moody is not a constant`
	b.Publishes(Loud{})   // want `"Shop Sold" is not of the form`
	b.Publishes(Timed{})  // want `field for is a time.Duration`
	b.Publishes(Keyed{})  // want `field by is a map whose keys are not strings`
	b.Publishes(Nested{}) // want `field inner contains itself`
	b.Publishes(Strung{}) // want `field id has the JSON option "string"`
	b.Publishes(Formed{}, // want `field colour is of a type with a JSON form of its own \(plugins.Colour\)`
		Pointed{}, // want `field count is a pointer to a pointer`
		Open{},    // want `field any is of a type that events do not support: any`
		Twice{},   // want `field id has the JSON name of another field`
		Embeds{},  // want `field Line is embedded and no struct`
		Closed{},  // want `event shop.closed: has no exported fields`
		Tagged{},  // want `field id has a JSON name and is not exported`
		Quoted{},  // want `field 'id' has a malformed JSON tag`
		Stamped{}) // want `event shop.stamped: is of a type with a JSON form of its own`
	b.Subscribe(app.On(p.hear))
	b.Schedule("@daily", app.On(p.due))
	later := app.OnTx(p.due)
	b.Schedule("@hourly", later)
	b.Schedule("@daily", app.On(p.gone)) // want `the handler of a schedule takes an app.Due, not Gone`
	b.Subscribe(app.On(p.due))           // want `the topic "_due" is not of the form product.created`
	b.Subscribe(app.OnTx(p.due))         //plug:allow events planted
	b.Publishes(app.Due{})               // want `an app.Due comes from a schedule; register its handler with b.Schedule`
}

type Gone struct{}

func (Gone) Topic() string { return "shop.gone" }

func (p *plugin) due(context.Context, app.Due) error { return nil }

func (p *plugin) gone(context.Context, Gone) error { return nil }

func (p *plugin) hear(context.Context, Paid) error { return nil }
