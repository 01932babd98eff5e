package apptest_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/config"
)

// welcomePlugin sends a mail for each note, and one on request.
type welcomePlugin struct {
	db     *gorm.DB
	mailer app.Mailer
}

func newWelcomePlugin(db *gorm.DB, mailer app.Mailer) *welcomePlugin {
	return &welcomePlugin{db: db, mailer: mailer}
}

func (p *welcomePlugin) OnBoot(b *app.Boot) {
	b.POST("/mails", app.Handle(p.Execute))
	b.Subscribe(app.On(p.onNote), app.Backoff(1, 1))
}

func (p *welcomePlugin) Execute(ctx context.Context, req noteRequest) (app.Empty, error) {
	send := func(ctx context.Context) error {
		return p.mailer.Send(ctx, app.Mail{To: []string{"Ada <ada@example.org>"}, Subject: req.Text, Text: "Hello."})
	}
	if req.Text == "in a transaction" {
		return app.Empty{}, app.InTx(ctx, p.db, send)
	}
	return app.Empty{}, send(ctx)
}

func (p *welcomePlugin) onNote(ctx context.Context, _ noteAdded) error {
	return p.mailer.Send(ctx, app.Mail{To: []string{"bob@example.org"}, Subject: "A note", Text: "Hello."})
}

var welcome = app.Plugin[*welcomePlugin]("notes.welcome", newWelcomePlugin)

func TestMailIsCaught(t *testing.T) {
	t.Parallel()
	mails := apptest.Mail()
	migrations, plugin := parts()
	h := apptest.New(t, migrations, plugin, welcome, mails)
	require.Empty(t, mails.Sent())
	require.Equal(t, []string{`0 mails were sent, want 1: []`}, failures(t, func(t testing.TB) { mails.Only(t) }))
	h.POST("/notes", noteRequest{Text: "a"}).Status(http.StatusCreated)
	h.WaitForEvents()
	require.Empty(t, failures(t, func(t testing.TB) { mails.Only(t) }))
	note := mails.Only(t)
	require.Equal(t, "A note", note.Subject)
	require.Regexp(t, `^[0-9a-f-]{36}/notes\.welcome/note\.added/A note$`, note.Key, "the same at the next attempt")

	h.POST("/mails", noteRequest{Text: "Hi"}).Status(http.StatusOK)
	require.Len(t, mails.Sent(), 2)
	require.Equal(t, []app.Mail{{To: []string{"Ada <ada@example.org>"}, Subject: "Hi", Text: "Hello."}}, mails.To("ADA@example.org"))
	require.Empty(t, mails.To("eve@example.org"))
	require.Equal(t, []string{`2 mails were sent, want 1: ["A note to bob@example.org" "Hi to Ada <ada@example.org>"]`},
		failures(t, func(t testing.TB) { mails.Only(t) }))
}

// The double refuses what the real one does.
func TestWhatTheMailerWouldRefuse(t *testing.T) {
	t.Parallel()
	mails := apptest.Mail()
	migrations, plugin := parts()
	h := apptest.New(t, migrations, plugin, welcome, mails)
	h.POST("/mails", noteRequest{Text: "two\nlines"}).Status(http.StatusUnprocessableEntity)
	h.POST("/mails", noteRequest{Text: "in a transaction"}).Status(http.StatusInternalServerError)
	mails.Fail(app.Errorf(app.Unavailable, "no mail today"))
	h.POST("/mails", noteRequest{Text: "Hi"}).Status(http.StatusServiceUnavailable)
	require.Empty(t, mails.Sent())
	mails.Fail(nil)
	h.POST("/mails", noteRequest{Text: "Hi"}).Status(http.StatusOK)
	require.Equal(t, "Hi", mails.Only(t).Subject)
}

func TestWithoutTheMailPartMailGoesNowhere(t *testing.T) {
	t.Parallel()
	migrations, plugin := parts()
	h := apptest.New(t, migrations, plugin, welcome, apptest.Configure(func(c *config.Config) {
		c.App.Env, c.Mail.Host, c.Mail.From = "production", "192.0.2.1", "shop@example.org"
	}))
	h.POST("/mails", noteRequest{Text: "Hi"}).Status(http.StatusOK)
	h.POST("/mails", noteRequest{Text: "two\nlines"}).Status(http.StatusUnprocessableEntity)
}

func TestMailsByHand(t *testing.T) {
	t.Parallel()
	var mails apptest.Mails
	p := newWelcomePlugin(nil, &mails)
	require.NoError(t, p.onNote(apptest.DeliveryContext(t, app.Delivery{EventID: "1", Subscription: "s"}), noteAdded{}))
	require.Equal(t, "1/s/A note", mails.Only(t).Key)
	broken := errors.New("broken")
	mails.Fail(broken)
	require.ErrorIs(t, p.onNote(apptest.Context(t), noteAdded{}), broken)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.onNote(ctx, noteAdded{}), context.Canceled)
}
