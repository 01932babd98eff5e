package plugins

import (
	"context"

	"m/app"
)

type XPlugin struct{ bus app.Bus }

type happened struct{}

func (happened) Topic() string { return "it.happened" }

type other struct{}

func (other) Topic() string { return "other.happened" }

func (p *XPlugin) OnBoot(b *app.Boot) { b.Publishes(happened{}) }

func (p *XPlugin) Execute(ctx context.Context) {
	_ = p.bus.Publish(ctx, happened{})
	_ = p.bus.Publish(ctx, other{}) // want `other is published and not announced, .* add b.Publishes\(other\{\}\) to OnBoot of XPlugin`
	_ = p.bus.Publish(ctx, other{}) //plug:allow announced the host does
	tell(ctx, p.bus)
	forward(ctx, p.bus, happened{})
}

func tell(ctx context.Context, bus app.Bus) {
	_ = bus.Publish(ctx, other{}) // want `other is published and not announced`
}

func forward(ctx context.Context, bus app.Bus, e app.Event) { _ = bus.Publish(ctx, e) }
