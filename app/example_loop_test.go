package app_test

import (
	"context"
	"fmt"

	"plugboard/app"
)

type fetchPlugin struct{ fetched chan struct{} }

func (p *fetchPlugin) OnBoot(b *app.Boot) { b.Loop("fetch", p.Execute) }

func (p *fetchPlugin) Execute(ctx context.Context) error {
	fmt.Println("waiting for mail")
	close(p.fetched)
	<-ctx.Done()
	fmt.Println("signed off")
	return nil
}

// A loop runs while the service does, and is told when it stops.
func ExampleBoot_Loop() {
	p := &fetchPlugin{fetched: make(chan struct{})}
	s := start(app.Domain("mail", app.Plugin[*fetchPlugin]("mail.fetch", func() *fetchPlugin { return p })))
	<-p.fetched
	s.stop()
	// Output:
	// waiting for mail
	// signed off
}
