package httpserver_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

// Two fields of one name, or an unknown format, had every answer fail with 500.
func TestAnswersThatCannotBeEncodedAreAStartError(t *testing.T) {
	t.Parallel()
	type twice struct {
		A int `json:"name"`
		B int `json:"'name'"` // quoted, as the JSON library allows, so that no other check finds it
	}
	type format struct {
		At time.Time `json:"at,format:nonsense"`
	}
	type deep struct {
		List []*struct {
			Inner *twice `json:"inner"`
		} `json:"list"`
	}
	for name, plug := range map[string]func(*app.Boot){
		"twice":  func(b *app.Boot) { b.GET("/a", handle[struct{}, twice]()) },
		"format": func(b *app.Boot) { b.GET("/a", handle[struct{}, format]()) },
		"deep":   func(b *app.Boot) { b.GET("/a", handle[struct{}, deep]()) },
	} {
		problems := httpserver.New(httpserver.Params{HTTP: benchSettings()}).Check(endpointsOf(t, "shop.feature", plug))
		require.Len(t, problems, 1, name)
		require.ErrorContains(t, problems[0], "cannot be sent: ", name)
	}
}

func TestAnswersHaveSeveralHeadersAndCookies(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		b.GET("/x", app.Handle(func(ctx context.Context, _ struct{}) (app.Empty, error) {
			app.AddHeader(ctx, "Link", "<a>")
			app.AddHeader(ctx, "Link", "<b>")
			app.SetHeader(ctx, "X-One", "1")
			app.SetHeader(ctx, "X-One", "2")
			for _, c := range []app.Cookie{
				{Name: "a", Value: "1"}, {Name: "b", Value: "2", MaxAge: 90 * time.Second, Path: "/b", Readable: true, SameSite: http.SameSiteStrictMode},
				{Name: "a", Value: "3"}, {Name: "c", MaxAge: -1, Insecure: true}, {Name: "__Host-d", Value: "4"},
			} {
				if err := app.SetCookie(ctx, c); err != nil {
					return app.Empty{}, err
				}
			}
			return app.Empty{}, nil
		}))
	})
	h := k.do("GET", "/x", "").Header()
	require.Equal(t, []string{"<a>", "<b>"}, h["Link"])
	require.Equal(t, []string{"2"}, h["X-One"])
	require.Equal(t, []string{
		"b=2; Path=/b; Max-Age=90; Secure; SameSite=Strict", "a=3; Path=/; HttpOnly; Secure; SameSite=Lax",
		"c=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax", "__Host-d=4; Path=/; HttpOnly; Secure; SameSite=Lax",
	}, h["Set-Cookie"])
	for _, c := range []app.Cookie{
		{Name: "a b"}, {Name: ""}, {Name: "a", Value: "x;y"}, {Name: "a", Value: "x\ny"}, {Name: "a", Path: "/;x"}, {Name: "__Host-a", Domain: "example.com"},
		{Name: "__Host-a", Path: "/x"}, {Name: "__Secure-a", Insecure: true}, {Name: "a", SameSite: http.SameSiteNoneMode, Insecure: true},
	} {
		require.Error(t, app.SetCookie(context.Background(), c), "%+v", c)
	}
}
