package plugins

import (
	"context"

	"m/app"
)

type Echo struct{}

func (Echo) Topic() string { return "loop.echo" }

type plugin struct{}

func (p *plugin) OnBoot(b *app.Boot) {
	b.Subscribe(app.On(p.hear)) //plug:allow events it echoes three times, the count is in the event
	b.Publishes(Echo{})
}

func (p *plugin) hear(context.Context, Echo) error { return nil }
