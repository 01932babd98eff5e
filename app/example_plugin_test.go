package app_test

import (
	"context"
	"net/http"

	"plugboard/app"
)

// Greet is the plugin that serves POST /greetings.
var Greet = app.Plugin[*GreetPlugin]("greetings.greet", NewGreetPlugin)

type GreetRequest struct {
	Name string `json:"name" binding:"required,max=100"`
}

type GreetResponse struct {
	Text string `json:"text"`
}

type GreetPlugin struct{}

// NewGreetPlugin takes what the plugin needs: a *gorm.DB, an app.Bus, a *zap.Logger, or nothing.
func NewGreetPlugin() *GreetPlugin { return &GreetPlugin{} }

// OnBoot registers what the plugin serves.
func (p *GreetPlugin) OnBoot(b *app.Boot) {
	b.POST("/greetings", app.Handle(p.Execute), app.Status(http.StatusCreated))
}

// Execute does the work. The request has been read and checked.
func (p *GreetPlugin) Execute(_ context.Context, req GreetRequest) (GreetResponse, error) {
	return GreetResponse{Text: "Hello, " + req.Name}, nil
}

// A plugin is one file: request, response, struct, constructor, OnBoot, Execute.
func ExamplePlugin() {
	s := start(app.Domain("greetings", Greet))
	defer s.stop()
	s.post("/greetings", `{"name":"Ada"}`)
	s.post("/greetings", `{}`)
	// Output:
	// 201 {"success":true,"data":{"text":"Hello, Ada"},"error":null}
	// 422 {"success":false,"data":null,"error":"name is required","code":"invalid","details":[{"field":"name","rule":"required","message":"is required"}]}
}
