// Package audit is the audit domain: a record of what happened to products. It records the consequences too. Each entry
// names its event, the event before that, and the request at the beginning with who made it.
package audit

import (
	"plugboard/app"
	"plugboard/domains/audit/migrations"
	"plugboard/domains/audit/models"
	"plugboard/domains/audit/plugins"
)

// Module is the domain. A new plugin is added to this list.
var Module = app.Domain("audit",
	app.Migrations(migrations.Files),
	app.Models(models.Entry{}),
	app.Every(app.Public()),

	plugins.RecordProductCreated,
	plugins.RecordProductUpdated,
	plugins.RecordProductDeleted,
	plugins.RecordNotificationStored,
	plugins.ListAudit,
)
