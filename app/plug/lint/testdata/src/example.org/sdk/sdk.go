package sdk

import "example.org/sdk/internal/transport"

// Call asks the internal package to.
func Call() { transport.Call() }
