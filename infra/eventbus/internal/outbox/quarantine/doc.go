// Package quarantine holds claimed deliveries whose processes crashed.
//
// A delivery comes here when two processes in a row crashed while they held it. At first it runs beside at most 15 others. After a crash
// during its own run it runs alone. After [MaxCrashes] crashes during its own runs it is dead. The package knows neither database nor
// outbox: its [Host] counts, delivers and settles.
package quarantine
