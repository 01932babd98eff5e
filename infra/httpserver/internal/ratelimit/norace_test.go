//go:build !race

package ratelimit_test

// flood is how many keys come in the test of a flood.
const flood = 10_000_000
