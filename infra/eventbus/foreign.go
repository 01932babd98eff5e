package eventbus

import (
	"errors"
	"fmt"
	"reflect"

	"plugboard/app"
)

// foreignError is a plugin's error, whose methods may panic: a nil pointer in an error is enough. They are called in
// here only, so that whoever looks at the error, in whichever goroutine, does not end the process.
type foreignError struct {
	err  error
	text string
}

// foreign makes a plugin's error safe to look at. It is called where the plugin was, which recovers from panics.
func foreign(err error) error {
	if err == nil {
		return nil
	}
	return &foreignError{err, textOf(err)}
}

// textOf returns the text of err, or in its place what it is.
func textOf(err error) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprintf("an error of type %T, whose Error method panicked: %v", err, v)
		}
	}()
	return err.Error()
}

// Error returns the text that the error had when it was returned.
func (f *foreignError) Error() string { return f.text }

// Is looks for target in the plugin's error. It has no Unwrap, which would hand out what is not safe.
func (f *foreignError) Is(target error) (found bool) {
	defer func() {
		if recover() != nil {
			found = false
		}
	}()
	return errors.Is(f.err, target)
}

// As looks for an error of target's type in the plugin's error. A nil pointer is none.
func (f *foreignError) As(target any) (found bool) {
	defer func() {
		if recover() != nil {
			found = false
		}
	}()
	if !errors.As(f.err, target) {
		return false
	}
	if e, ok := target.(**app.Error); ok && *e != nil { // its cause is the plugin's too
		*e = (*e).Because(foreign((*e).Unwrap()))
	}
	to := reflect.ValueOf(target).Elem()
	return to.Kind() != reflect.Pointer && to.Kind() != reflect.Interface || !to.IsNil()
}
