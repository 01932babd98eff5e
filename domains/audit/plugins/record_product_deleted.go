package plugins

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"plugboard/app"
)

// AuditedProductDeleted is what this plugin reads of the event product.deleted.
type AuditedProductDeleted struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// Topic implements app.Event.
func (AuditedProductDeleted) Topic() string { return "product.deleted" }

// RecordProductDeleted is the plugin that records every product that is gone.
var RecordProductDeleted = app.Plugin[*RecordProductDeletedPlugin]("audit.record_product_deleted", NewRecordProductDeletedPlugin)

// RecordProductDeletedPlugin records deletions of products.
type RecordProductDeletedPlugin struct {
	db *gorm.DB
}

// NewRecordProductDeletedPlugin takes what the plugin needs; Fx resolves it by type.
func NewRecordProductDeletedPlugin(db *gorm.DB) *RecordProductDeletedPlugin {
	return &RecordProductDeletedPlugin{db: db}
}

// OnBoot registers what the plugin listens to. A record must not have holes: the attempts cover an outage of
// some hours before a delivery is dead.
func (p *RecordProductDeletedPlugin) OnBoot(b *app.Boot) {
	b.Subscribe(app.On(p.Execute), app.Attempts(30), app.Backoff(time.Second, 15*time.Minute))
}

// Execute records the event. An event that arrives again changes nothing.
func (p *RecordProductDeletedPlugin) Execute(ctx context.Context, event AuditedProductDeleted) error {
	return record(ctx, p.db, event.ID, fmt.Sprintf("product %q was deleted", event.Name))
}
