package apptest_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/app/apptest"
)

type postSettings struct {
	Sender  string        `key:"sender" binding:"required"`
	Timeout time.Duration `key:"timeout" default:"3s" binding:"min=1ms"`
}

type told struct {
	Sender string `json:"sender"`
	Length string `json:"length"`
	User   string `json:"user"`
}

type stockQuery struct {
	Item string `json:"item"`
}

func (stockQuery) Topic() string { return "stock.level" }

type stock struct {
	Left int `json:"left"`
}

// tell tells its settings and who asked, and how many there are of what another domain has.
type tell struct {
	settings postSettings
	bus      app.Bus
}

func newTell(settings postSettings, bus app.Bus) *tell { return &tell{settings, bus} }

func (p *tell) OnBoot(b *app.Boot) {
	b.GET("/tell", app.Handle(p.Execute), app.Guard(func(ctx context.Context, r *http.Request) (context.Context, error) {
		return context.WithValue(ctx, userKey{}, r.Header.Get("X-User")), nil
	}))
	b.GET("/stock", app.Handle(p.stock))
}

type userKey struct{}

func (p *tell) Execute(ctx context.Context, _ app.Empty) (told, error) {
	user, _ := ctx.Value(userKey{}).(string)
	return told{p.settings.Sender, p.settings.Timeout.String(), user}, nil
}

func (p *tell) stock(ctx context.Context, _ app.Empty) (stock, error) {
	return app.Ask[stock](ctx, p.bus, stockQuery{"lamp"})
}

func tellPlugin() app.PluginModule { return app.Plugin[*tell]("post.tell", newTell) }

func TestSettingsOfADomain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		parts []fx.Option
		want  string
	}{
		"by type": {[]fx.Option{apptest.Set(postSettings{Sender: "a"}), tellPlugin()}, `{"sender":"a","length":"0s","user":""}`},
		"by name": {
			[]fx.Option{app.Settings[postSettings](), tellPlugin(), apptest.Setting("APP_POST_TIMEOUT", "9s"), apptest.Setting("APP_HTTP_BODY_LIMIT", "9")},
			`{"sender":"","length":"9s","user":""}`,
		},
		"in a domain": {
			[]fx.Option{app.Domain("post", app.Settings[postSettings](), tellPlugin()), apptest.Setting("APP_POST_SENDER", "b")},
			`{"sender":"b","length":"3s","user":""}`,
		},
		"type before name": {
			[]fx.Option{app.Domain("post", app.Settings[postSettings](), tellPlugin()), apptest.Setting("APP_POST_SENDER", "b"), apptest.Set(postSettings{Sender: "c"})},
			`{"sender":"c","length":"0s","user":""}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := apptest.New(t, c.parts...)
			h.GET("/tell").Status(http.StatusOK).JSON(`{"success":true,"data":` + c.want + `,"error":null}`)
		})
	}
}

func TestAsPreparesRequests(t *testing.T) {
	t.Parallel()
	h := apptest.New(t, apptest.Set(postSettings{}), tellPlugin())
	ann := h.As(func(r *http.Request) { r.Header.Set("X-User", "ann") })
	annsDog := ann.As(func(r *http.Request) { r.Header.Set("X-User", r.Header.Get("X-User")+"'s dog") })
	for user, as := range map[string]*apptest.App{"": h, "ann": ann, "ann's dog": annsDog} {
		require.Equal(t, user, apptest.Data[told](as.GET("/tell")).User)
	}
}

func TestAnswersStandInForAnotherDomain(t *testing.T) {
	t.Parallel()
	level := apptest.Answers(app.Reply(func(_ context.Context, q stockQuery) (stock, error) {
		if q.Item != "lamp" {
			return stock{}, app.Errorf(app.NotFound, "no %s", q.Item)
		}
		return stock{Left: 3}, nil
	}))
	h := apptest.New(t, apptest.Set(postSettings{}), tellPlugin(), level)
	h.GET("/stock").Status(http.StatusOK).JSON(`{"success":true,"data":{"left":3},"error":null}`)
	got, err := apptest.Ask[stock](h, stockQuery{"lamp"})
	require.NoError(t, err)
	require.Equal(t, stock{3}, got)
	_, err = apptest.Ask[stock](h, stockQuery{"desk"})
	require.EqualError(t, err, "ask stock.level: no desk")

	alone := apptest.New(t, apptest.Set(postSettings{}), tellPlugin())
	alone.GET("/stock").Status(http.StatusServiceUnavailable)
}
