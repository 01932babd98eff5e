package app_test

import (
	"context"
	"net/http"

	"plugboard/app"
)

type secretPlugin struct{}

func newSecret() *secretPlugin { return &secretPlugin{} }

func (p *secretPlugin) OnBoot(b *app.Boot) {
	b.GET("/secret", app.Handle(p.Execute), app.Guard(p.authenticate))
}

// authenticate decides before the body is read. The context that it returns may carry who asks.
func (p *secretPlugin) authenticate(ctx context.Context, r *http.Request) (context.Context, error) {
	if r.URL.Query().Get("key") != "sesame" {
		return ctx, app.Errorf(app.Unauthorized, "the key is missing or wrong")
	}
	return ctx, nil
}

func (p *secretPlugin) Execute(context.Context, app.Empty) (app.Binary, error) {
	return app.Binary{ContentType: "text/plain", Bytes: []byte("forty-two")}, nil
}

// A guard lets a request proceed or refuses it. The content behind this one is no JSON, but a Binary.
func ExampleGuard() {
	s := start(app.Domain("vault", app.Plugin[*secretPlugin]("vault.secret", newSecret)))
	defer s.stop()
	s.get("/secret")
	s.get("/secret?key=sesame")
	// Output:
	// 401 {"success":false,"data":null,"error":"the key is missing or wrong","code":"unauthorized"}
	// 200 forty-two
}
