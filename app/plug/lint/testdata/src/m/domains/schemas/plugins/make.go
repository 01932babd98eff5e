package plugins

import (
	"context"
	"time"

	"m/app"
	"m/domains/schemas/models"
)

type MakeRequest struct{}

type MakeItem struct{}

type MakePlugin struct{}

func (p *MakePlugin) OnBoot(b *app.Boot) {
	b.GET("/a", app.Handle(p.Execute))
	b.GET("/b", app.Handle(p.shared)) // want `SharedRequest is declared elsewhere`
	b.GET("/c", app.Handle(p.model))  // want `models.Row is declared elsewhere`
	b.GET("/d", app.Handle(p.empty))
	b.GET("/e", app.Handle(p.times))
	b.GET("/f", app.Handle(p.named)) // want `SharedRequest is declared elsewhere`
	b.Subscribe(app.On(p.hear))
	b.Subscribe(app.On(p.row)) // want `models.Row is declared elsewhere`
	b.Publishes(SharedEvent{}) // want `SharedEvent is declared elsewhere`
	b.Publishes(SharedEvent{}) //plug:allow schemas both plugins are going to be one
}

func (p *MakePlugin) Execute(context.Context, MakeRequest) (r app.Page[MakeItem], err error) { return }

func (p *MakePlugin) shared(context.Context, SharedRequest) (r MakeItem, err error) { return }

func (p *MakePlugin) model(context.Context, MakeRequest) (r app.Page[models.Row], err error) { return }

func (p *MakePlugin) empty(context.Context, MakeRequest) (r app.Empty, err error) { return }

func (p *MakePlugin) hear(context.Context, SharedEvent) error { return nil }

func (p *MakePlugin) row(context.Context, models.Row) error { return nil }

func (p *MakePlugin) times(context.Context, MakeRequest) (r []time.Time, err error) { return }

func (p *MakePlugin) named(context.Context, MakeRequest) (r map[string][2]SharedRequest, err error) {
	return
}
