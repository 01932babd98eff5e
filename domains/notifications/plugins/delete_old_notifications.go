package plugins

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/notifications/models"
)

// notificationAge is how old a notification must be to be deleted, and notificationPage how many are deleted at a time.
const (
	notificationAge  = 90 * 24 * time.Hour
	notificationPage = 500
)

// DeleteOldNotifications is the plugin that deletes old notifications every night.
var DeleteOldNotifications = app.Plugin[*DeleteOldNotificationsPlugin]("notifications.delete_old_notifications", NewDeleteOldNotificationsPlugin)

// DeleteOldNotificationsPlugin deletes notifications.
type DeleteOldNotificationsPlugin struct {
	db     *gorm.DB
	logger *zap.Logger
}

// NewDeleteOldNotificationsPlugin takes what the plugin needs; Fx resolves it by type.
func NewDeleteOldNotificationsPlugin(db *gorm.DB, logger *zap.Logger) *DeleteOldNotificationsPlugin {
	return &DeleteOldNotificationsPlugin{db: db, logger: logger}
}

// OnBoot registers when the plugin runs.
func (p *DeleteOldNotificationsPlugin) OnBoot(b *app.Boot) {
	b.Schedule("30 3 * * *", app.On(p.Execute), app.Timeout(10*time.Minute))
}

// Execute deletes the notifications that were too old when the run was due. A page at a time, so that others write in
// between; what a run that fails has deleted, the next attempt need not.
func (p *DeleteOldNotificationsPlugin) Execute(ctx context.Context, due app.Due) error {
	var total int64
	for {
		page := p.db.WithContext(ctx).Model(&models.Notification{}).Select("id").
			Where("created_at < ?", due.At.Add(-notificationAge)).Order("created_at").Limit(notificationPage)
		deleted := p.db.WithContext(ctx).Where("id IN (?)", page).Delete(&models.Notification{})
		if deleted.Error != nil {
			return fmt.Errorf("delete old notifications: %w", deleted.Error)
		}
		total += deleted.RowsAffected
		if deleted.RowsAffected < notificationPage {
			p.logger.Info("old notifications deleted", zap.Int64("deleted", total))
			return nil
		}
	}
}
