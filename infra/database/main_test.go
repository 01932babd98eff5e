package database_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain finds goroutines that outlive the databases that started them.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
