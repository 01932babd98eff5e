package plugins

import (
	"context"

	"gorm.io/gorm"

	"m/app"
)

type plugin struct {
	db  *gorm.DB
	bus app.Bus
}

func (p *plugin) transactions(ctx context.Context) error {
	tx := p.db.WithContext(ctx).Begin()                                              // want `Begin makes a transaction .* use app.InTx`
	tx.Commit()                                                                      // want `use app.InTx`
	p.db.WithContext(ctx).Begin()                                                    //plug:allow transaction a migration that must not be in the outer one
	return p.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error { return nil }) // want `use app.InTx`
}
