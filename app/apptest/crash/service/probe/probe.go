// Package probe is the domain of the crash harness's own service.
//
// Its writes publish events. Some transactions are rolled back on purpose after both were written. Its subscribers note in
// a table what they did, so that the oracle can read from the tables whether every promise was kept.
package probe

import (
	"plugboard/app"
	"plugboard/app/apptest/crash/service/probe/migrations"
)

// Module is the domain.
var Module = app.Domain("probe",
	app.Migrations(migrations.Files),
	app.Models(Write{}, Lane{}, Effect{}, Remedy{}),

	StoreWrite,
	ApplyRemedy,
	RecordEffects,
)

// Write is a stored write: a row of probe_writes.
type Write struct {
	// Token names the write; the client chose it.
	Token string `gorm:"primaryKey"`
	// Lane is the key of its event, "" for none.
	Lane string `gorm:"not null"`
	// Number counts the writes of a lane in the order of their commits; 0 without a lane.
	Number int64 `gorm:"not null"`
	// Poison makes one subscriber fail for good.
	Poison bool `gorm:"not null"`
}

// TableName implements GORM's tabler.
func (Write) TableName() string { return "probe_writes" }

// Lane is a row of probe_lanes: the last number of a lane. Who increases it holds its row until the commit, so
// that the numbers are the order of the commits, found out without the bus.
type Lane struct {
	// Lane is the key.
	Lane string `gorm:"primaryKey"`
	// Last is the last number given.
	Last int64 `gorm:"not null"`
}

// TableName implements GORM's tabler.
func (Lane) TableName() string { return "probe_lanes" }

// Effect is a row of probe_effects: one thing that one subscriber did.
type Effect struct {
	// ID is the order of those effects that do not overlap.
	ID int64 `gorm:"primaryKey"`
	// Subscription names the subscriber.
	Subscription string `gorm:"not null"`
	// EventID is the event's.
	EventID string `gorm:"not null"`
	// Token, Lane and Number are the write's.
	Token string `gorm:"not null"`
	// Lane is the write's.
	Lane string `gorm:"not null"`
	// Number is the write's.
	Number int64 `gorm:"not null"`
	// Attempt is the delivery's.
	Attempt int `gorm:"not null"`
}

// TableName implements GORM's tabler.
func (Effect) TableName() string { return "probe_effects" }

// Remedy is a row of probe_remedies; with one, the subscriber that poison makes fail works.
type Remedy struct {
	// Name is "healed".
	Name string `gorm:"primaryKey"`
}

// TableName implements GORM's tabler.
func (Remedy) TableName() string { return "probe_remedies" }
