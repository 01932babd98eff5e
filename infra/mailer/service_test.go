package mailer_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/config"
	"plugboard/infra/host"
	"plugboard/infra/host/application"
)

// ordered is what the plugin of these tests sends mail about.
type ordered struct {
	Email string `json:"email"`
}

func (ordered) Topic() string { return "order.placed" }

// confirm sends mail in every way that a plugin may try.
type confirm struct {
	db     *gorm.DB
	bus    app.Bus
	mailer app.Mailer
	fails  chan error // what the first attempts fail with after the mail was sent
}

func newConfirm(db *gorm.DB, bus app.Bus, mailer app.Mailer) *confirm {
	return &confirm{db: db, bus: bus, mailer: mailer, fails: make(chan error, 1)}
}

func (p *confirm) OnBoot(b *app.Boot) {
	b.POST("/orders", app.Handle(p.place))
	b.POST("/mails", app.Handle(p.inTx))
	b.Publishes(ordered{})
	b.Subscribe(app.On(p.send), app.Backoff(1, 1))
}

func (p *confirm) place(ctx context.Context, req ordered) (app.Empty, error) {
	return app.Empty{}, app.InTx(ctx, p.db, func(ctx context.Context) error { return p.bus.Publish(ctx, req) })
}

func (p *confirm) inTx(ctx context.Context, req ordered) (app.Empty, error) {
	return app.Empty{}, app.InTx(ctx, p.db, func(ctx context.Context) error { return p.mail(ctx, req) })
}

func (p *confirm) send(ctx context.Context, e ordered) error {
	if err := p.mail(ctx, e); err != nil {
		return err
	}
	select {
	case err := <-p.fails:
		return err
	default:
		return nil
	}
}

func (p *confirm) mail(ctx context.Context, e ordered) error {
	return p.mailer.Send(ctx, app.Mail{To: []string{e.Email}, Subject: "Your order", Text: "Thank you."})
}

// A subscriber that fails after its mail has gone sends it once more: the second has the Message-ID of the first.
func TestADeliveryThatIsRetriedSendsTheSameMail(t *testing.T) {
	t.Parallel()
	p := serve(t, false, nil)
	var plugin *confirm
	a := apptest.New(t, app.Domain("orders", app.Plugin[*confirm]("orders.confirm", func(db *gorm.DB, bus app.Bus) *confirm {
		plugin = newConfirm(db, bus, newMailer(t, p.cfg))
		plugin.fails <- errors.New("after the mail")
		return plugin
	})))
	a.POST("/orders", ordered{Email: "ada@example.org"}).Status(http.StatusOK)
	a.WaitForEvents()
	got := p.got()
	require.Len(t, got, 2)
	first, _ := open(t, got[0].data)
	again, _ := open(t, got[1].data)
	require.Equal(t, first.Get("Message-ID"), again.Get("Message-ID"))
	require.NotEmpty(t, first.Get("Message-ID"))

	a.POST("/mails", ordered{Email: "ada@example.org"}).Status(http.StatusInternalServerError)
	require.Len(t, p.got(), 2, "a mail was sent in a transaction")
}

var (
	errPermanent = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	errLater     = &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "mailbox full"}
)

// A mailbox that the server does not know is dead at the first attempt, and one that is full is tried again.
func TestARefusedRecipientIsADeadDelivery(t *testing.T) {
	t.Parallel()
	attempts := make(chan string, 100)
	p := serve(t, false, func(p *post) {
		later := 2
		p.refuse = func(step string) error {
			attempts <- step
			switch {
			case step == "RCPT gone@example.org":
				return errPermanent
			case step == "RCPT full@example.org" && later > 0:
				later--
				return errLater
			}
			return nil
		}
	})
	a := apptest.New(t, app.Domain("orders", app.Plugin[*confirm]("orders.confirm", func(db *gorm.DB, bus app.Bus) *confirm {
		return newConfirm(db, bus, newMailer(t, p.cfg))
	})))
	a.POST("/orders", ordered{Email: "gone@example.org"}).Status(http.StatusOK)
	a.WaitForEvents()
	a.POST("/orders", ordered{Email: "full@example.org"}).Status(http.StatusOK)
	a.WaitForEvents()
	a.Stop()
	close(attempts)
	tried := map[string]int{}
	for step := range attempts {
		tried[step]++
	}
	require.Equal(t, map[string]int{"MAIL": 4, "RCPT gone@example.org": 1, "RCPT full@example.org": 3, "DATA": 1}, tried)
}

// In production a service that sends mail says at start that it cannot, and one that sends none needs no server.
func TestAServiceThatSendsMailNeedsAServer(t *testing.T) {
	t.Parallel()
	orders := app.Domain("orders", app.Plugin[*confirm]("orders.confirm", newConfirm))
	cfg := config.Default()
	cfg.App.Env, cfg.Database.URL = "production", "sqlite:"+t.TempDir()+"/test.db"
	_, err := application.New(cfg, fx.Options(host.Infra, orders))
	require.ErrorContains(t, err, "a plugin sends mail (app.Mailer), and no server takes it: in production set APP_MAIL_HOST and APP_MAIL_FROM")
	t.Log(err)
	_, err = application.New(cfg, host.Infra)
	require.NoError(t, err)
	cfg.App.Env = "development"
	_, err = application.New(cfg, fx.Options(host.Infra, orders))
	require.NoError(t, err)
}
