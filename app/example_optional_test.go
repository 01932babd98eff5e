package app_test

import (
	"context"
	"fmt"

	"plugboard/app"
)

type changeNoteRequest struct {
	Text app.Optional[string] `json:"text" binding:"omitempty,max=20"`
}

type changeNotePlugin struct{}

func newChangeNote() *changeNotePlugin { return &changeNotePlugin{} }

func (p *changeNotePlugin) OnBoot(b *app.Boot) { b.PATCH("/note", app.Handle(p.Execute)) }

func (p *changeNotePlugin) Execute(_ context.Context, req changeNoteRequest) (app.Empty, error) {
	switch {
	case !req.Text.Set:
		fmt.Println("unchanged")
	case req.Text.Null:
		fmt.Println("cleared")
	default:
		fmt.Println("changed to", req.Text.Value)
	}
	return app.Empty{}, nil
}

// In the body of a PATCH an omitted member means "unchanged" and null means "cleared".
func ExampleOptional() {
	s := start(app.Domain("note", app.Plugin[*changeNotePlugin]("note.change", newChangeNote)))
	defer s.stop()
	s.request("PATCH", "/note", `{"text":"milk"}`)
	s.request("PATCH", "/note", `{"text":null}`)
	s.request("PATCH", "/note", `{}`)
	// Output:
	// changed to milk
	// 200 {"success":true,"data":{},"error":null}
	// cleared
	// 200 {"success":true,"data":{},"error":null}
	// unchanged
	// 200 {"success":true,"data":{},"error":null}
}
