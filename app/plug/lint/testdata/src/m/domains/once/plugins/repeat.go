package plugins

import (
	"context"

	"gorm.io/gorm"

	"m/app"
)

type RepeatPlugin struct{ db *gorm.DB }

func (p *RepeatPlugin) OnBoot(b *app.Boot) {
	b.POST("/good", app.Handle(p.Good), app.Idempotent())
	b.POST("/inner", app.Handle(p.Inner), app.Idempotent())
	b.POST("/literal", app.Handle(func(ctx context.Context, _ app.Empty) (app.Empty, error) {
		return app.Once(ctx, p.db, p.work)
	}), app.Idempotent())
	b.POST("/other", app.Handle(p.Other))
	b.POST("/without", app.Handle(p.Other), app.Idempotent()) // want `the handler of this endpoint does not call app.Once`
	b.POST("/allowed", app.Handle(p.Other), app.Idempotent()) //plug:allow once the other package does
	b.POST("/undeclared", app.Handle(p.Inner))                // want `the handler calls app.Once, which fails .* add app.Idempotent`
	b.Subscribe(app.On(p.listen))
}

func (p *RepeatPlugin) Good(ctx context.Context, _ app.Empty) (app.Empty, error) {
	return app.Once(ctx, p.db, p.work)
}

func (p *RepeatPlugin) Inner(ctx context.Context, _ app.Empty) (app.Empty, error) { return p.once(ctx) }

func (p *RepeatPlugin) once(ctx context.Context) (app.Empty, error) {
	return app.Once(ctx, p.db, p.work)
}

func (p *RepeatPlugin) Other(ctx context.Context, _ app.Empty) (app.Empty, error) { return p.work(ctx) }

func (p *RepeatPlugin) work(context.Context) (app.Empty, error) { return app.Empty{}, nil }

type heard struct{}

func (heard) Topic() string { return "it.heard" }

func (p *RepeatPlugin) listen(ctx context.Context, _ heard) error {
	_, err := app.Once(ctx, p.db, p.work) // want `app.Once works only in the handler of an endpoint with app.Idempotent\(\); call it there, and app.InTx elsewhere`
	return err
}
