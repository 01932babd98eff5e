package app_test

import (
	"context"
	"fmt"
	"time"

	"plugboard/app"
)

type tidyPlugin struct{}

func newTidy() *tidyPlugin { return &tidyPlugin{} }

func (p *tidyPlugin) OnBoot(b *app.Boot) { b.Schedule("30 3 * * *", app.On(p.Execute)) }

func (p *tidyPlugin) Execute(_ context.Context, due app.Due) error {
	fmt.Println("tidied up, due", due.At.Format(time.DateTime))
	return nil
}

// A schedule runs at the times of a cron spec, once however many processes there are.
func ExampleBoot_Schedule() {
	s := start(app.Domain("attic", app.Plugin[*tidyPlugin]("attic.tidy", newTidy)))
	defer s.stop()
	s.run("attic.tidy/schedule")
	s.waitForEvents()
	// Output:
	// tidied up, due 2026-01-31 03:30:00
}
