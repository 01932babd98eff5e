//go:build race

package ratelimit_test

// flood is how many keys come in the test of a flood: the race detector makes each of them ten times as slow.
const flood = 1_000_000
