package plugins

import (
	"context"
	"errors"
	"fmt"
	"strconv"

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

// NotificationStored is announced when a notification is stored.
type NotificationStored struct {
	ID        int64 `json:"id"`
	ProductID int64 `json:"product_id"`
	// About is the topic of the event that the notification tells of.
	About string `json:"about"`
}

// Topic implements app.Event.
func (NotificationStored) Topic() string { return "notification.stored" }

// Key implements app.Keyed: the notifications about one product are handled in order.
func (e NotificationStored) Key() string { return strconv.FormatInt(e.ProductID, 10) }

// StoreNotification is the plugin that notes every new product.
var StoreNotification = app.Plugin[*StoreNotificationPlugin]("notifications.store_notification", NewStoreNotificationPlugin)

// StoreNotificationPlugin stores notifications.
type StoreNotificationPlugin struct {
	db  *gorm.DB
	bus app.Bus
}

// NewStoreNotificationPlugin takes what the plugin needs; Fx resolves it by type.
func NewStoreNotificationPlugin(db *gorm.DB, bus app.Bus) *StoreNotificationPlugin {
	return &StoreNotificationPlugin{db: db, bus: bus}
}

// OnBoot registers what the plugin listens to and announces.
func (p *StoreNotificationPlugin) OnBoot(b *app.Boot) {
	b.Subscribe(app.OnTx(p.Execute))
	b.Publishes(NotificationStored{})
}

// Execute stores a notification of the event and announces it, in the transaction that completes the delivery: all
// three or none. An event that arrives again changes nothing.
func (p *StoreNotificationPlugin) Execute(ctx context.Context, event CreatedProduct) error {
	delivery, ok := app.DeliveryFrom(ctx)
	if !ok {
		return app.Permanent(errors.New("store notification: not in a delivery"))
	}
	notification := models.Notification{EventID: delivery.EventID, Topic: delivery.Topic, ProductID: event.ID}
	once := clause.OnConflict{Columns: []clause.Column{{Name: "event_id"}}, DoNothing: true}
	stored := p.db.WithContext(ctx).Clauses(once).Create(&notification)
	if stored.Error != nil {
		return fmt.Errorf("insert notification: %w", stored.Error)
	}
	if stored.RowsAffected == 0 {
		return nil
	}
	return p.bus.Publish(ctx, NotificationStored{ID: notification.ID, ProductID: event.ID, About: delivery.Topic})
}
