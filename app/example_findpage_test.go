package app_test

import (
	"context"

	"gorm.io/gorm"

	"plugboard/app"
)

// Town is a row of the table towns.
type Town struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

type listTownsRequest struct {
	app.PageQuery

	Sort string `form:"sort" binding:"omitempty,oneof=name -name"`
}

type listTownsPlugin struct{ db *gorm.DB }

func newListTowns(db *gorm.DB) *listTownsPlugin { return &listTownsPlugin{db} }

func (p *listTownsPlugin) OnBoot(b *app.Boot) { b.GET("/towns", app.Handle(p.Execute)) }

func (p *listTownsPlugin) Execute(ctx context.Context, req listTownsRequest) (app.Page[Town], error) {
	return app.FindPage[Town](p.db.WithContext(ctx).Model(&Town{}), req.PageQuery, req.Sort)
}

// A list is answered page by page. The cursor "next" leads to the page after this one.
func ExampleFindPage() {
	s := start(app.Domain("towns",
		app.Migrations(migrations(`CREATE TABLE towns (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
			CREATE INDEX towns_name ON towns (name, id);
			INSERT INTO towns (id, name) VALUES (1, 'Ulm'), (2, 'Bern'), (3, 'Wien')`)),
		app.Models(Town{}),
		app.Plugin[*listTownsPlugin]("towns.list", newListTowns)))
	defer s.stop()
	s.get("/towns?sort=name&total=true")
	s.get("/towns?sort=-name&offset=2")
	// Output:
	// 200 {"success":true,"data":{"items":[{"id":2,"name":"Bern"},{"id":1,"name":"Ulm"},{"id":3,"name":"Wien"}],"next":null,"total":3},"error":null}
	// 200 {"success":true,"data":{"items":[{"id":2,"name":"Bern"}],"next":null},"error":null}
}
