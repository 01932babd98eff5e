package app_test

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"plugboard/app"
)

// Letter is a row of the table letters.
type Letter struct {
	ID int64
	To string
}

// TableName names the table.
func (Letter) TableName() string { return "letters" }

// LetterStored is announced when a letter is stored.
type LetterStored struct {
	ID int64 `json:"id"`
}

// Topic implements app.Event.
func (LetterStored) Topic() string { return "letter.stored" }

type storeLetterRequest struct {
	To string `json:"to" binding:"required"`
}

type storeLetterPlugin struct {
	db  *gorm.DB
	bus app.Bus
}

func newStoreLetter(db *gorm.DB, bus app.Bus) *storeLetterPlugin { return &storeLetterPlugin{db, bus} }

func (p *storeLetterPlugin) OnBoot(b *app.Boot) {
	b.POST("/letters", app.Handle(p.Execute))
	b.Publishes(LetterStored{})
}

// Execute stores a letter and announces it: both or neither.
func (p *storeLetterPlugin) Execute(ctx context.Context, req storeLetterRequest) (LetterStored, error) {
	letter := Letter{To: req.To}
	err := app.InTx(ctx, p.db, func(ctx context.Context) error {
		if err := p.db.WithContext(ctx).Create(&letter).Error; err != nil {
			return fmt.Errorf("insert letter: %w", err)
		}
		return p.bus.Publish(ctx, LetterStored{ID: letter.ID})
	})
	return LetterStored{ID: letter.ID}, err
}

// The transaction travels in the context that the function gets.
func ExampleInTx() {
	s := start(app.Domain("letters",
		app.Migrations(migrations(`CREATE TABLE letters (id INTEGER PRIMARY KEY, "to" TEXT NOT NULL)`)),
		app.Models(Letter{}),
		app.Plugin[*storeLetterPlugin]("letters.store", newStoreLetter)))
	defer s.stop()
	s.post("/letters", `{"to":"Ada"}`)
	// Output:
	// 200 {"success":true,"data":{"id":1},"error":null}
}
