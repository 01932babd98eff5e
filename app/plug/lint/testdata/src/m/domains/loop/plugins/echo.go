package plugins

import (
	"context"

	"m/app"
)

type Echo struct{}

func (Echo) Topic() string { return "loop.echo" }

// Early is published by nobody yet.
type Early struct{}

func (Early) Topic() string { return "loop.early" }

// Waited is published now.
type Waited struct{}

func (Waited) Topic() string { return "loop.waited" }

type plugin struct{}

func (p *plugin) OnBoot(b *app.Boot) {
	b.Subscribe(app.On(p.hear)) //plug:allow events it echoes three times, the count is in the event
	b.Subscribe(app.On(p.early), app.Ahead())
	b.Subscribe(app.On(p.late), app.Ahead())
	b.Publishes(Echo{}, Waited{})
}

func (p *plugin) early(context.Context, Early) error { return nil }

func (p *plugin) late(context.Context, Waited) error { return nil }

func (p *plugin) hear(context.Context, Echo) error { return nil }
