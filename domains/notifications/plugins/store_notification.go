package plugins

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"plugboard/app"
	"plugboard/domains/notifications/models"
)

// CreatedProduct is what this plugin reads of the event product.created.
type CreatedProduct struct {
	ID int64 `json:"id"`
}

// Topic implements app.Event.
func (CreatedProduct) Topic() string { return "product.created" }

// StoreNotification is the plugin that notes every new product.
var StoreNotification = app.Plugin[*StoreNotificationPlugin]("notifications.store_notification", NewStoreNotificationPlugin)

// StoreNotificationPlugin stores notifications.
type StoreNotificationPlugin struct {
	db *gorm.DB
}

// NewStoreNotificationPlugin takes what the plugin needs; Fx resolves it by type.
func NewStoreNotificationPlugin(db *gorm.DB) *StoreNotificationPlugin {
	return &StoreNotificationPlugin{db: db}
}

// OnBoot registers what the plugin listens to.
func (p *StoreNotificationPlugin) OnBoot(b *app.Boot) {
	b.Subscribe(app.OnTx(p.Execute))
}

// Execute stores a notification of the event. An event that arrives again changes nothing.
func (p *StoreNotificationPlugin) Execute(ctx context.Context, event CreatedProduct) error {
	delivery, ok := app.DeliveryFrom(ctx)
	if !ok {
		return app.Permanent(errors.New("store notification: not in a delivery"))
	}
	notification := models.Notification{EventID: delivery.EventID, Topic: delivery.Topic, ProductID: event.ID}
	once := clause.OnConflict{Columns: []clause.Column{{Name: "event_id"}}, DoNothing: true}
	if err := p.db.WithContext(ctx).Clauses(once).Create(&notification).Error; err != nil {
		return fmt.Errorf("insert notification: %w", err)
	}
	return nil
}
