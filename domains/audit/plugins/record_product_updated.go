package plugins

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"plugboard/app"
)

// AuditedProductUpdated is what this plugin reads of the event product.updated.
type AuditedProductUpdated struct {
	ID    int64   `json:"id"`
	Name  string  `json:"name"`
	Price float64 `json:"price"`
}

// Topic implements app.Event.
func (AuditedProductUpdated) Topic() string { return "product.updated" }

// RecordProductUpdated is the plugin that records every change of a product.
var RecordProductUpdated = app.Plugin[*RecordProductUpdatedPlugin]("audit.record_product_updated", NewRecordProductUpdatedPlugin)

// RecordProductUpdatedPlugin records changes of products.
type RecordProductUpdatedPlugin struct {
	db *gorm.DB
}

// NewRecordProductUpdatedPlugin takes what the plugin needs; Fx resolves it by type.
func NewRecordProductUpdatedPlugin(db *gorm.DB) *RecordProductUpdatedPlugin {
	return &RecordProductUpdatedPlugin{db: db}
}

// OnBoot registers what the plugin listens to. A record must not have holes: the attempts cover an outage of
// some hours before a delivery is dead.
func (p *RecordProductUpdatedPlugin) OnBoot(b *app.Boot) {
	b.Subscribe(app.On(p.Execute), app.Attempts(30), app.Backoff(time.Second, 15*time.Minute))
}

// Execute records the event. An event that arrives again changes nothing.
func (p *RecordProductUpdatedPlugin) Execute(ctx context.Context, event AuditedProductUpdated) error {
	return record(ctx, p.db, event.ID, fmt.Sprintf("product is now %q at %g", event.Name, event.Price))
}
