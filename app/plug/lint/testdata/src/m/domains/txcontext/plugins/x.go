package plugins

import (
	"context"

	"gorm.io/gorm"

	"m/app"
)

type plugin struct {
	db  *gorm.DB
	bus app.Bus
}

type happened struct{}

func (happened) Topic() string { return "it.happened" }

func (p *plugin) handle(outer context.Context, db *gorm.DB) error {
	query := p.db.WithContext(outer)
	p.db.Find(nil) // want `p.db without a context`
	query.Find(nil)
	query.Where(p.db.Where("a").Or("b")).Find(nil)
	query.Where(p.db.Find(nil)) // want `p.db without a context`
	_, _ = app.Once(outer, p.db, func(ctx context.Context) (app.Empty, error) {
		p.db.WithContext(ctx).Create(nil)
		p.db.WithContext(outer).Create(nil) // want `outer is the context from outside app.InTx`
		return app.Empty{}, p.bus.Publish(ctx, happened{})
	})
	return app.InTx(outer, p.db, func(ctx context.Context) error {
		p.db.WithContext(outer).Create(nil) // want `outer is the context from outside app.InTx`
		p.db.Create(nil)                    // want `p.db without a context`
		p.db.Where("a").Create(nil)         // want `p.db without a context`
		p.db.Create(nil)                    //plug:allow txcontext the log is written even when the rest is not
		query.Create(nil)                   // want `query comes from outside app.InTx`
		query.Where("a").Find(nil)          // want `query comes from outside app.InTx`
		db.Create(nil)                      // want `db comes from outside app.InTx`
		p.db.WithContext(ctx).Where(db.Where("a").Or("b")).Find(nil)
		inner := p.db.WithContext(ctx)
		inner.Create(nil)
		db.WithContext(ctx).Create(nil)
		if err := p.bus.Publish(outer, happened{}); err != nil { // want `outer is the context from outside`
			return err
		}
		return p.bus.Publish(context.WithoutCancel(ctx), happened{})
	})
}
