package plugins

import (
	"context"
	"net/http"

	"gorm.io/gorm"

	"m/app"
)

type XPlugin struct {
	db     *gorm.DB
	client *http.Client
	mailer app.Mailer
}

type Happened struct{}

func (Happened) Topic() string { return "it.happened" }

func (p *XPlugin) OnBoot(b *app.Boot) {
	b.Subscribe(app.OnTx(p.hear))
	b.Subscribe(app.OnTx(func(ctx context.Context, _ Happened) error {
		return p.mailer.Send(ctx, app.Mail{}) // want `Mailer.Send inside a transaction holds the database`
	}))
	b.Subscribe(app.On(p.later))
}

func (p *XPlugin) Execute(ctx context.Context) error {
	_, _ = p.client.Do(nil)
	err := app.InTx(ctx, p.db, func(ctx context.Context) error {
		_, _ = p.client.Do(nil)                  // want `http.Client.Do inside a transaction holds the database until another system answers, .* before or after the transaction`
		_, _ = p.client.Transport.RoundTrip(nil) // want `RoundTrip inside a transaction`
		_, _ = p.client.Do(nil)                  //plug:allow remote it is the ledger beside us
		return p.inside(ctx)
	})
	if err != nil {
		return err
	}
	return p.mailer.Send(ctx, app.Mail{})
}

func (p *XPlugin) hear(ctx context.Context, _ Happened) error {
	return p.mailer.Send(ctx, app.Mail{}) // want `Mailer.Send inside a transaction`
}

// inside is called in the transaction alone.
func (p *XPlugin) inside(ctx context.Context) error {
	return p.mailer.Send(ctx, app.Mail{}) // want `Mailer.Send inside a transaction`
}

func (p *XPlugin) later(ctx context.Context, _ Happened) error {
	_, err := p.client.Do(nil)
	return err
}
