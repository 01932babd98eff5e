package plugins

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"plugboard/app"
)

// AuditedNotificationStored is what this plugin reads of the event notification.stored.
type AuditedNotificationStored struct {
	ID        int64  `json:"id"`
	ProductID int64  `json:"product_id"`
	About     string `json:"about"`
}

// Topic implements app.Event.
func (AuditedNotificationStored) Topic() string { return "notification.stored" }

// RecordNotificationStored is the plugin that records every stored notification.
var RecordNotificationStored = app.Plugin[*RecordNotificationStoredPlugin]("audit.record_notification_stored", NewRecordNotificationStoredPlugin)

// RecordNotificationStoredPlugin records stored notifications.
type RecordNotificationStoredPlugin struct {
	db *gorm.DB
}

// NewRecordNotificationStoredPlugin takes what the plugin needs; Fx resolves it by type.
func NewRecordNotificationStoredPlugin(db *gorm.DB) *RecordNotificationStoredPlugin {
	return &RecordNotificationStoredPlugin{db: db}
}

// OnBoot registers what the plugin listens to. A record must not have holes: the attempts cover an outage of
// some hours before a delivery is dead.
func (p *RecordNotificationStoredPlugin) OnBoot(b *app.Boot) {
	b.Subscribe(app.On(p.Execute), app.Attempts(30), app.Backoff(time.Second, 15*time.Minute))
}

// Execute records the event. An event that arrives again changes nothing.
func (p *RecordNotificationStoredPlugin) Execute(ctx context.Context, event AuditedNotificationStored) error {
	return record(ctx, p.db, event.ProductID, fmt.Sprintf("notification %d of %s was stored", event.ID, event.About))
}
