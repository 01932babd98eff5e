//go:build !unix

package dev

import (
	"context"
	"errors"
)

// Run fails: a listening socket cannot be passed to another process here.
func Run(context.Context, Options) error {
	return errors.New("plug dev is not supported on this system; it needs Linux, macOS or another Unix (on Windows: WSL)")
}
