package conformance_test

import (
	"testing"

	"go.uber.org/goleak"
)

// No goroutine outlives its owner's end.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
