package message

import (
	"errors"
	"fmt"
	"reflect"

	"plugboard/app"
)

// IsFinal reports whether the delivery is dead after err, whatever attempts are left. A delivery that this version of the service
// cannot read is not: another version may read it.
func IsFinal(err error) bool { return app.IsPermanent(err) && !errors.Is(err, ErrUnreadable) }

// safeError is a plugin's error whose methods are called under recover, since they may panic: a nil pointer in an error is enough.
type safeError struct {
	err  error
	text string
}

// SafeError makes a plugin's error safe to look at, in any goroutine. It returns nil for nil.
func SafeError(err error) error {
	if err == nil {
		return nil
	}
	text := fmt.Sprintf("an error of type %T, whose Error method panicked", err)
	calmly(func() bool { text = err.Error(); return true })
	return &safeError{err, text}
}

// calmly returns what ask returns, or false when it panics.
func calmly(ask func() bool) (answer bool) {
	defer func() {
		if recover() != nil {
			answer = false
		}
	}()
	return ask()
}

// Error returns the text that the error had when it was returned.
func (e *safeError) Error() string { return e.text }

// Is looks for target in the plugin's error. There is no Unwrap, since it would hand out the unsafe error.
func (e *safeError) Is(target error) bool {
	return calmly(func() bool { return errors.Is(e.err, target) })
}

// As looks for an error of target's type in the plugin's error. A nil pointer does not count.
func (e *safeError) As(target any) bool {
	return calmly(func() bool {
		if !errors.As(e.err, target) {
			return false
		}
		if found, ok := target.(**app.Error); ok && *found != nil { // its cause is the plugin's too
			*found = (*found).Because(SafeError((*found).Unwrap()))
		}
		to := reflect.ValueOf(target).Elem()
		return to.Kind() != reflect.Pointer && to.Kind() != reflect.Interface || !to.IsNil()
	})
}

// ErrNotBegun is the outcome of a delivery whose handler was not called, because the lease may have run out or the bus stops.
var ErrNotBegun = errors.New("the handler was not begun")

// ErrUnreadable is in the error of a delivery whose payload this version of the service cannot read.
var ErrUnreadable = errors.New("unreadable payload")

// ErrTaken is the outcome of a delivery that another process has claimed since.
var ErrTaken = errors.New("the delivery has been taken over by another process")

// ErrExited is the outcome of a handler that called runtime.Goexit.
var ErrExited = errors.New("the handler ended its goroutine")
