// Package quarantine holds claimed deliveries whose processes crashed.
//
// A delivery comes here when two processes in a row ended while they held it. First it runs beside at most 15 others, later alone, and
// after [MaxCrashes] crashes during its own runs it is dead. The package knows neither database nor outbox: its [Host] counts, delivers
// and settles.
package quarantine
