package probe

import (
	"context"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"plugboard/app"
)

// ApplyRemedy is the plugin that serves POST /remedy.
var ApplyRemedy = app.Plugin[*ApplyRemedyPlugin]("probe.apply_remedy", NewApplyRemedyPlugin)

// ApplyRemedyPlugin makes the subscriber succeed that fails at poison.
type ApplyRemedyPlugin struct {
	db *gorm.DB
}

// NewApplyRemedyPlugin takes what the plugin needs; Fx resolves it by type.
func NewApplyRemedyPlugin(db *gorm.DB) *ApplyRemedyPlugin { return &ApplyRemedyPlugin{db: db} }

// OnBoot registers what the plugin serves.
func (p *ApplyRemedyPlugin) OnBoot(b *app.Boot) {
	b.POST("/remedy", app.Handle(p.Execute))
}

// Execute notes that the cause of the failures is gone.
func (p *ApplyRemedyPlugin) Execute(ctx context.Context, _ app.Empty) (app.Empty, error) {
	err := p.db.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&Remedy{Name: "healed"}).Error
	if err != nil {
		return app.Empty{}, fmt.Errorf("store remedy: %w", err)
	}
	return app.Empty{}, nil
}
