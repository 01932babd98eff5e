// Package quarantine holds claimed deliveries whose processes crashed.
//
// A delivery comes here when two processes in a row ended while they held it. It runs again beside few others, after that alone, and
// is dead after [MaxCrashes] crashes during its own runs. The package knows neither database nor outbox: its [Host] counts, delivers
// and settles.
package quarantine
