package plugins

import (
	"context"
	"time"

	"m/app"
)

type poller struct{}

func (p *poller) OnBoot(b *app.Boot) {
	b.Loop("poll", p.run)
	b.Loop("tick", func(ctx context.Context) error {
		<-time.NewTicker(time.Second).C
		return p.mixed(ctx)
	})
}

func (p *poller) run(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-time.After(time.Minute):
		}
		p.rest(ctx)
		time.Sleep(time.Second) // want `time.Sleep in a handler`
	}
}

// rest is called in a loop alone.
func (p *poller) rest(ctx context.Context) { app.Sleep(ctx, time.Second) }

// mixed is called in a handler too.
func (p *poller) mixed(ctx context.Context) error {
	app.Sleep(ctx, time.Second) // want `app.Sleep in a handler`
	return nil
}

func (p *poller) Execute(ctx context.Context) error { return p.mixed(ctx) }
