package message

import (
	"errors"
	"fmt"
	"reflect"

	"plugboard/app"
)

// IsFinal reports whether a retry cannot help.
func IsFinal(err error) bool { return app.IsPermanent(err) && !errors.Is(err, ErrUnreadable) }

// safeError is a plugin's error whose methods are called under recover. They may panic: a nil pointer in an error is enough. So
// nobody who looks at the error ends the process.
type safeError struct {
	err  error
	text string
}

// SafeError makes a plugin's error safe to look at, in any goroutine.
func SafeError(err error) error {
	if err == nil {
		return nil
	}
	return &safeError{err, textOf(err)}
}

// textOf returns the text of err. When its Error method panics, it returns the type of err instead.
func textOf(err error) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprintf("an error of type %T, whose Error method panicked: %v", err, v)
		}
	}()
	return err.Error()
}

// Error returns the text that the error had when it was returned.
func (f *safeError) Error() string { return f.text }

// Is looks for target in the plugin's error. There is no Unwrap, since it would hand out the unsafe error.
func (f *safeError) Is(target error) (found bool) {
	defer func() {
		if recover() != nil {
			found = false
		}
	}()
	return errors.Is(f.err, target)
}

// As looks for an error of target's type in the plugin's error. A nil pointer is none.
func (f *safeError) As(target any) (found bool) {
	defer func() {
		if recover() != nil {
			found = false
		}
	}()
	if !errors.As(f.err, target) {
		return false
	}
	if e, ok := target.(**app.Error); ok && *e != nil { // its cause is the plugin's too
		*e = (*e).Because(SafeError((*e).Unwrap()))
	}
	to := reflect.ValueOf(target).Elem()
	return to.Kind() != reflect.Pointer && to.Kind() != reflect.Interface || !to.IsNil()
}

// ErrNotBegun is the outcome of a delivery whose handler was not called: the lease may have run out, or the bus stops.
var ErrNotBegun = errors.New("the handler was not begun")

// ErrUnreadable is wrapped by the error of a delivery whose payload this version of the service cannot read.
var ErrUnreadable = errors.New("unreadable payload")

// ErrTaken is the outcome of a delivery that another process has claimed since.
var ErrTaken = errors.New("the delivery has been taken over by another process")

// ErrExited is the outcome of a handler that called runtime.Goexit.
var ErrExited = errors.New("the handler ended its goroutine")
