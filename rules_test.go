package main

import (
	"testing"

	"plugboard/app/apptest/rules"
)

// The service keeps the rules of its project, each a subtest. The tests of package rules see each of them fail.
func TestRules(t *testing.T) {
	t.Parallel()
	rules.Hold(t, modules, rules.AllReached())
}
