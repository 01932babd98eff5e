// Package panics turns panics into errors.
//
// It is for code that calls functions of plugins and has to go on after them.
package panics

import (
	"fmt"
	"runtime/debug"
)

// Error is a panic that was recovered from.
type Error struct {
	// Value is what the function panicked with, Stack where.
	Value any
	Stack []byte
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Catch runs fn and returns its panic; nil if it returned.
func Catch(fn func()) (caught *Error) {
	defer func() {
		if v := recover(); v != nil {
			caught = &Error{Value: v, Stack: debug.Stack()}
		}
	}()
	fn()
	return nil
}
