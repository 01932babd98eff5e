package app_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"plugboard/app"
)

type guessPlugin struct{}

func newGuess() *guessPlugin { return &guessPlugin{} }

func (p *guessPlugin) OnBoot(b *app.Boot) {
	b.GET("/guess", app.Handle(p.Execute), app.Limit(2, time.Minute, app.PerClient))
}

func (p *guessPlugin) Execute(context.Context, app.Empty) (app.Empty, error) {
	return app.Empty{}, app.Errorf(app.Forbidden, "wrong")
}

// A client may guess twice at once, and then every half minute. With app.PerClient.Shared() all processes of a service would count together.
func ExampleLimit() {
	s := start(app.Domain("vault", app.Plugin[*guessPlugin]("vault.guess", newGuess)))
	defer s.stop()
	for range 3 {
		answer := httptest.NewRecorder()
		s.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/guess", nil))
		fmt.Println(answer.Code, answer.Header().Get("RateLimit"))
	}
	s.get("/guess")
	// Output:
	// 403 "client";r=1;t=30
	// 403 "client";r=0;t=60
	// 429 "client";r=0;t=60
	// 429 {"success":false,"data":null,"error":"too many requests: 2 in 1m0s are let through","code":"too_many"}
}
