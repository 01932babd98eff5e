// Package plugins holds the features of the greetings domain, one file each.
package plugins

import (
	"context"

	"plugboard/app"
)

// GreetRequest is what GET /greetings/{name} asks for.
type GreetRequest struct {
	Name string `uri:"name" json:"-" binding:"required,max=100,notblank" example:"Ada"`
}

// GreetData is the greeting.
type GreetData struct {
	Greeting string `json:"greeting" example:"Good day, Ada"`
}

// GreetResponse is the answer of GET /greetings/{name}.
type GreetResponse = app.Response[GreetData]

// Greet is the plugin that serves GET /greetings/{name}.
var Greet = app.Plugin[*GreetPlugin]("greetings.greet", NewGreetPlugin)

// GreetPlugin needs nothing.
type GreetPlugin struct{}

// NewGreetPlugin takes what the plugin needs; Fx resolves it by type.
func NewGreetPlugin() *GreetPlugin { return &GreetPlugin{} }

// OnBoot registers what the plugin serves.
func (p *GreetPlugin) OnBoot(b *app.Boot) {
	b.GET("/greetings/:name", app.Handle(p.Execute), app.Tags("Greetings"))
}

// Execute greets who is named.
//
//	@ID			greetings.greet
//	@Summary	Greets who is named
//	@Tags		Greetings
//	@Produce	json
//	@Param		name					path		string	true	"The name"	minlength(1)	maxlength(100)
//	@Success	200						{object}	GreetResponse
//	@Failure	400,421,422,500,503,504	{object}	app.Failure
//	@Router		/greetings/{name} [get]
//
//plug:derived 136d8b7f
func (p *GreetPlugin) Execute(_ context.Context, req GreetRequest) (GreetData, error) {
	return GreetData{Greeting: "Good day, " + req.Name}, nil
}
