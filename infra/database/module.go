package database

import (
	"go.uber.org/fx"
	"gorm.io/gorm"
)

// Module provides the [*DB] and its [*gorm.DB] handle. It needs a config.Database and a *zap.Logger. Opening,
// migrating and closing are the host's.
var Module = fx.Module("database",
	fx.Provide(New, func(db *DB) *gorm.DB { return db.Gorm() }),
)
