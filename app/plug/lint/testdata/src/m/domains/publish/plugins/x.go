package plugins

import (
	"context"

	"gorm.io/gorm"

	"m/app"
)

type XPlugin struct {
	db  *gorm.DB
	bus app.Bus
}

type happened struct{}

func (happened) Topic() string { return "it.happened" }

type other struct{}

func (other) Topic() string { return "other.happened" }

func (p *XPlugin) OnBoot(b *app.Boot) {
	b.Publishes(happened{})
	b.Subscribe(app.OnTx(p.onTx))
	b.Schedule("@daily", app.OnTx(p.dueTx))
	b.Schedule("@daily", app.On(p.due))
}

func (p *XPlugin) right(ctx context.Context) error {
	return app.InTx(ctx, p.db, func(ctx context.Context) error {
		if err := p.write(ctx); err != nil {
			return err
		}
		return p.announce(ctx)
	})
}

func (p *XPlugin) write(ctx context.Context) error { return p.db.WithContext(ctx).Create(nil).Error }

func (p *XPlugin) announce(ctx context.Context) error { return p.bus.Publish(ctx, happened{}) }

func (p *XPlugin) onTx(ctx context.Context, _ happened) error {
	p.db.WithContext(ctx).Create(nil)
	return p.bus.Publish(ctx, happened{})
}

func (p *XPlugin) byName(ctx context.Context) error { return app.InTx(ctx, p.db, p.inside) }

func (p *XPlugin) inside(ctx context.Context) error {
	p.db.WithContext(ctx).Create(nil)
	return p.bus.Publish(ctx, happened{})
}

func (p *XPlugin) onlyPublishes(ctx context.Context) error { return p.bus.Publish(ctx, happened{}) }

func (p *XPlugin) none(ctx context.Context) error {
	p.db.WithContext(ctx).Create(nil)
	return p.bus.Publish(ctx, happened{}) // want `published outside the transaction that wrote`
}

func (p *XPlugin) allowed(ctx context.Context) error {
	p.db.WithContext(ctx).Create(nil)
	return p.bus.Publish(ctx, happened{}) //plug:allow publish a hint that may be lost
}

func (p *XPlugin) after(ctx context.Context) error {
	err := app.InTx(ctx, p.db, func(ctx context.Context) error { return p.write(ctx) })
	if err != nil {
		return err
	}
	return p.bus.Publish(ctx, happened{}) // want `published outside the transaction that wrote`
}

func (p *XPlugin) before(ctx context.Context) error {
	if err := p.write(ctx); err != nil {
		return err
	}
	return app.InTx(ctx, p.db, func(ctx context.Context) error {
		return p.bus.Publish(ctx, happened{}) // want `published outside the transaction that wrote`
	})
}

func (p *XPlugin) dueTx(ctx context.Context, _ app.Due) error {
	p.db.WithContext(ctx).Create(nil)
	return p.bus.Publish(ctx, happened{})
}

func (p *XPlugin) due(ctx context.Context, _ app.Due) error {
	p.db.WithContext(ctx).Create(nil)
	return p.bus.Publish(ctx, happened{}) // want `published outside the transaction that wrote`
}
