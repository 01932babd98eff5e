package plugins

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"plugboard/app"
	"plugboard/domains/audit/models"
)

// AuditedProductCreated is what this plugin reads of the event product.created.
type AuditedProductCreated struct {
	ID    int64   `json:"id"`
	Name  string  `json:"name"`
	Price float64 `json:"price"`
}

// Topic implements app.Event.
func (AuditedProductCreated) Topic() string { return "product.created" }

// RecordProductCreated is the plugin that records every new product.
var RecordProductCreated = app.Plugin[*RecordProductCreatedPlugin]("audit.record_product_created", NewRecordProductCreatedPlugin)

// RecordProductCreatedPlugin records new products.
type RecordProductCreatedPlugin struct {
	db *gorm.DB
}

// NewRecordProductCreatedPlugin takes what the plugin needs; Fx resolves it by type.
func NewRecordProductCreatedPlugin(db *gorm.DB) *RecordProductCreatedPlugin {
	return &RecordProductCreatedPlugin{db: db}
}

// OnBoot registers what the plugin listens to. A record must not have holes: the attempts cover an outage of
// some hours before a delivery is dead.
func (p *RecordProductCreatedPlugin) OnBoot(b *app.Boot) {
	b.Subscribe(app.On(p.Execute), app.Attempts(30), app.Backoff(time.Second, 15*time.Minute))
}

// Execute records the event. An event that arrives again changes nothing.
func (p *RecordProductCreatedPlugin) Execute(ctx context.Context, event AuditedProductCreated) error {
	return record(ctx, p.db, event.ID, fmt.Sprintf("product %q was created at %g", event.Name, event.Price))
}

// record stores an entry for the event that is being handled. Events arrive at least once; the event's id is unique
// in the table, so the second time nothing is stored.
func record(ctx context.Context, db *gorm.DB, productID int64, summary string) error {
	delivery, ok := app.DeliveryFrom(ctx)
	if !ok {
		return app.Permanent(errors.New("record event: not in a delivery"))
	}
	entry := models.Entry{
		EventID: delivery.EventID, Topic: delivery.Topic, ProductID: productID, Summary: summary, Emitter: delivery.Emitter,
		ParentEventID: delivery.Parent, RequestID: delivery.RequestID, Principal: delivery.Principal, OccurredAt: delivery.Time,
	}
	once := clause.OnConflict{Columns: []clause.Column{{Name: "event_id"}}, DoNothing: true}
	if err := db.WithContext(ctx).Clauses(once).Create(&entry).Error; err != nil {
		return fmt.Errorf("insert audit entry: %w", err)
	}
	return nil
}
