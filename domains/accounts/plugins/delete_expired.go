package plugins

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/sessions"
)

// expiredPage is how many rows are deleted at a time, so that others write in between.
const expiredPage = 500

// DeleteExpired is the plugin that deletes what is over, every hour.
var DeleteExpired = app.Plugin[*DeleteExpiredPlugin]("accounts.delete_expired", NewDeleteExpiredPlugin)

// DeleteExpiredPlugin deletes sessions, keys, tickets, devices, sign-ins that were never finished, counts of attempts and records of sign-ins.
type DeleteExpiredPlugin struct {
	db       *gorm.DB
	settings Settings
	sessions sessions.Settings
}

// NewDeleteExpiredPlugin takes what the plugin needs; Fx resolves it by type.
func NewDeleteExpiredPlugin(db *gorm.DB, settings Settings, sessions sessions.Settings) *DeleteExpiredPlugin {
	return &DeleteExpiredPlugin{db: db, settings: settings, sessions: sessions}
}

// OnBoot registers when the plugin runs.
func (p *DeleteExpiredPlugin) OnBoot(b *app.Boot) {
	b.Schedule("17 * * * *", app.On(p.Execute), app.Timeout(10*time.Minute)) //nolint:mnd // long enough for a first run
}

// Execute deletes what was over when the run was due. What a run that fails has deleted, the next attempt need not.
func (p *DeleteExpiredPlugin) Execute(ctx context.Context, due app.Due) error {
	for _, over := range []struct {
		model any
		key   string
		when  string
		limit any
	}{
		{&models.Session{}, "id", "expires_at <= ?", due.At},
		{&models.Session{}, "id", "used_at <= ?", due.At.Add(-p.sessions.Idle)},
		{&models.Key{}, "id", "expires_at <= ?", due.At.Add(-p.settings.SignInsKept)}, // its owner sees for a while that it is over
		{&models.Ticket{}, "id", "expires_at <= ?", due.At},
		{&models.Flow{}, "state_hash", "expires_at <= ?", due.At},
		{&models.Device{}, "token_hash", "used_at <= ?", due.At.Add(-sessions.DeviceLifetime)},
		{&models.SignIn{}, "id", "at <= ?", due.At.Add(-p.settings.SignInsKept)},
		{&models.Throttle{}, "name_hash", "full_at <= ?", due.At.UnixMicro()},
	} {
		for {
			page := p.db.WithContext(ctx).Model(over.model).Select(over.key).Where(over.when, over.limit).Limit(expiredPage)
			deleted := p.db.WithContext(ctx).Where(over.key+" IN (?)", page).Delete(over.model)
			if deleted.Error != nil {
				return fmt.Errorf("delete what is over: %w", deleted.Error)
			}
			if deleted.RowsAffected < expiredPage {
				break
			}
		}
	}
	return nil
}
