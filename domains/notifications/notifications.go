// Package notifications is the notifications domain: it stores what happened elsewhere, for people to read.
package notifications

import (
	"plugboard/app"
	"plugboard/domains/notifications/migrations"
	"plugboard/domains/notifications/models"
	"plugboard/domains/notifications/plugins"
)

// Module is the domain. A new plugin is added to this list.
var Module = app.Domain("notifications",
	app.Migrations(migrations.Files),
	app.Models(models.Notification{}),
	app.Every(app.Public()),

	plugins.StoreNotification,
	plugins.ListNotifications,
	plugins.DeleteOldNotifications,
)
