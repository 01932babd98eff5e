package main

import (
	"testing"

	"plugboard/app/apptest/rules"
)

// The service keeps the rules of its host: modules, documents, tables and tests agree.
func TestRules(t *testing.T) {
	t.Parallel()
	rules.Hold(t, modules)
}
