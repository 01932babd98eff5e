package app_test

import (
	"context"
	"errors"

	"plugboard/app"
)

type lockerRequest struct {
	ID int `uri:"id"`
}

type lockerPlugin struct{}

func newLocker() *lockerPlugin { return &lockerPlugin{} }

func (p *lockerPlugin) OnBoot(b *app.Boot) {
	b.GET("/lockers/:id", app.Handle(p.Execute), app.Fails(app.NotFound))
}

func (p *lockerPlugin) Execute(_ context.Context, req lockerRequest) (app.Empty, error) {
	if req.ID == 7 {
		return app.Empty{}, errors.New("the door is jammed") // for the log: the caller is not shown the text
	}
	return app.Empty{}, app.Errorf(app.NotFound, "there is no locker %d", req.ID)
}

// An error for the caller has a code, which decides the status, and a message. Any other error is an internal one.
func ExampleErrorf() {
	s := start(app.Domain("lockers", app.Plugin[*lockerPlugin]("lockers.open", newLocker)))
	defer s.stop()
	s.get("/lockers/1")
	s.get("/lockers/7")
	// Output:
	// 404 {"success":false,"data":null,"error":"there is no locker 1","code":"not_found"}
	// 500 {"success":false,"data":null,"error":"internal error","code":"internal"}
}
