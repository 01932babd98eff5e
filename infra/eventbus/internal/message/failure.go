package message

import (
	"errors"
	"fmt"
	"reflect"

	"plugboard/app"
)

// IsFinal reports whether the delivery is dead after err, even if attempts are left. A delivery that this version of the service
// cannot read is not dead, since another version may read it.
func IsFinal(err error) bool { return app.IsPermanent(err) && !errors.Is(err, ErrUnreadable) }

// safeError wraps a plugin's error, and calls the methods of this error under recover. They may panic: a nil pointer in an error is
// enough.
type safeError struct {
	err  error
	text string
}

// SafeError wraps a plugin's error, so that any goroutine may call its methods: none of them panics. It returns nil for nil.
func SafeError(err error) error {
	if err == nil {
		return nil
	}
	text := fmt.Sprintf("an error of type %T, whose Error method panicked", err)
	calmly(func() bool { text = err.Error(); return true })
	return &safeError{err, text}
}

// calmly calls ask and returns its answer, or false when ask panics.
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
		if found, ok := target.(**app.Error); ok && *found != nil { // the cause comes from the plugin too, so wrap it
			*found = (*found).Because(SafeError((*found).Unwrap()))
		}
		to := reflect.ValueOf(target).Elem()
		return to.Kind() != reflect.Pointer && to.Kind() != reflect.Interface || !to.IsNil()
	})
}

// ErrNotBegun is the outcome of a delivery whose handler was not called, since the lease may have run out or the bus stops.
var ErrNotBegun = errors.New("the handler was not begun")

// ErrUnreadable is wrapped in the error of a delivery whose payload this version of the service cannot read.
var ErrUnreadable = errors.New("unreadable payload")

// ErrTaken is the outcome of a delivery that another process has claimed since.
var ErrTaken = errors.New("the delivery has been taken over by another process")

// ErrExited is the outcome of a handler that called runtime.Goexit.
var ErrExited = errors.New("the handler ended its goroutine")
