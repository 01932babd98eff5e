package plugins_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app/apptest"
	"plugboard/domains/notifications"
	"plugboard/domains/notifications/plugins"
)

func TestDeleteOldNotifications(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		events := apptest.Announce(plugins.CreatedProduct{})
		clock := apptest.NewClock(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC))
		h := apptest.New(t, db, notifications.Module, events, clock)
		store := func(n int) {
			for id := range n {
				events.Publish(t, plugins.CreatedProduct{ID: int64(id + 1)})
			}
			h.WaitForEvents()
		}
		left := func() int64 {
			return *apptest.Data[plugins.ListNotificationsData](h.GET("/notifications?total=true")).Total
		}
		store(501) // more than are deleted at a time
		clock.Advance(time.Hour)
		store(2)

		clock.Advance(90*24*time.Hour - time.Hour)
		h.Run("notifications.delete_old_notifications/schedule")
		h.WaitForEvents()
		require.EqualValues(t, 503, left(), "90 days and no more")
		clock.Advance(time.Second)
		h.Run("notifications.delete_old_notifications/schedule")
		h.WaitForEvents()
		require.EqualValues(t, 2, left())
	})
}
