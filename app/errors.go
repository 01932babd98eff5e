package app

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Code classifies a failure for the caller's program. The code decides the HTTP status.
type Code string

// The codes and their statuses.
const (
	Malformed            Code = "malformed"             // 400
	Unauthorized         Code = "unauthorized"          // 401
	PaymentRequired      Code = "payment_required"      // 402
	Forbidden            Code = "forbidden"             // 403
	NotFound             Code = "not_found"             // 404
	MethodNotAllowed     Code = "method_not_allowed"    // 405
	Conflict             Code = "conflict"              // 409
	Gone                 Code = "gone"                  // 410
	PreconditionFailed   Code = "precondition_failed"   // 412
	TooLarge             Code = "too_large"             // 413
	UnsupportedType      Code = "unsupported_type"      // 415
	RangeNotSatisfiable  Code = "range_not_satisfiable" // 416
	Misdirected          Code = "misdirected"           // 421
	Invalid              Code = "invalid"               // 422
	Locked               Code = "locked"                // 423
	PreconditionRequired Code = "precondition_required" // 428
	TooMany              Code = "too_many"              // 429
	Legal                Code = "legal"                 // 451
	Internal             Code = "internal"              // 500
	Unavailable          Code = "unavailable"           // 503
	TimedOut             Code = "timeout"               // 504
	StorageFull          Code = "storage_full"          // 507
)

// statuses are the HTTP statuses of the codes. It is never changed.
var statuses = map[Code]int{
	Malformed: http.StatusBadRequest, Unauthorized: http.StatusUnauthorized, PaymentRequired: http.StatusPaymentRequired,
	Forbidden: http.StatusForbidden, NotFound: http.StatusNotFound, MethodNotAllowed: http.StatusMethodNotAllowed,
	Conflict: http.StatusConflict, Gone: http.StatusGone, PreconditionFailed: http.StatusPreconditionFailed,
	TooLarge: http.StatusRequestEntityTooLarge, UnsupportedType: http.StatusUnsupportedMediaType,
	RangeNotSatisfiable: http.StatusRequestedRangeNotSatisfiable, Misdirected: http.StatusMisdirectedRequest,
	Invalid: http.StatusUnprocessableEntity, Locked: http.StatusLocked, PreconditionRequired: http.StatusPreconditionRequired,
	TooMany: http.StatusTooManyRequests, Legal: http.StatusUnavailableForLegalReasons,
	Internal: http.StatusInternalServerError, Unavailable: http.StatusServiceUnavailable, TimedOut: http.StatusGatewayTimeout,
	StorageFull: http.StatusInsufficientStorage,
}

// Known reports whether c is one of the codes of this package.
func (c Code) Known() bool {
	_, ok := statuses[c]
	return ok
}

// Status returns the HTTP status of c; an unknown code is 500.
func (c Code) Status() int {
	if status, ok := statuses[c]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// Error is a failure whose message is meant for the caller. Make it with [Errorf]. Any other error
// is logged and answered as "internal error".
type Error struct {
	// Code decides the status.
	Code Code
	// Message is shown to the caller. It must not contain internals.
	Message string
	// Details lists violated rules, for Invalid.
	Details []Violation
	// RetryAfter tells the caller when to try again; zero means no advice. It is sent, rounded up to
	// whole seconds, as Retry-After.
	RetryAfter time.Duration
	cause      error
}

// Errorf makes an error for the caller. The message is built as by fmt.Errorf. Errors wrapped with %w become the cause.
// Their text is part of the message, so wrap only errors whose text the caller may see. To keep a cause for the log
// alone, use [Error.Because].
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	cause := errors.Unwrap(err)
	if _, several := err.(interface{ Unwrap() []error }); several { // fmt's own, not one that it wraps
		cause = err
	}
	return &Error{Code: code, Message: err.Error(), cause: cause}
}

// Because returns a copy of e with a cause that is logged and never shown.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// Error returns the message, and the cause where there is one that the message does not contain already.
// It is for logs; the caller is shown Message.
func (e *Error) Error() string {
	if e.cause != nil && !strings.Contains(e.Message, e.cause.Error()) {
		return e.Message + ": " + e.cause.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is an *Error of the same code, so that errors.Is(err, app.Errorf(app.NotFound, ""))
// holds for every not-found error. [CodeOf] is the shorter way.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Code == e.Code && t.Message == ""
}

// CodeOf returns the code of the first *Error in err's tree, Invalid for [Violations], Internal for any
// other error, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	if _, ok := errors.AsType[Violations](err); ok {
		return Invalid
	}
	return Internal
}

// Violation is one violated rule of one field.
type Violation struct {
	// Field is the field's name as the caller knows it, nested names joined by dots: "items.0.price".
	Field string `json:"field" example:"price"`
	// Rule names the rule: "required", "gt", "type".
	Rule string `json:"rule" example:"gt"`
	// Message says what would be right, without the field's name: "must be greater than 0".
	Message string `json:"message" example:"must be greater than 0"`
} // @name Violation

// Violations is the error a request's Validate method returns for rules across fields. The caller gets
// 422 with all of them.
type Violations []Violation

// Error joins the violations: "price must be greater than 0; name is required".
func (v Violations) Error() string {
	parts := make([]string, len(v))
	for i, x := range v {
		parts[i] = strings.TrimSpace(x.Field + " " + x.Message)
	}
	return strings.Join(parts, "; ")
}

// Validator is implemented by request types with rules across fields. Validate runs after all rules of the single fields
// have passed. It returns [Violations], an error made with [Errorf], or nil; empty [Violations] count as nil. Any other
// error is an internal error.
type Validator interface {
	Validate() error
}

// Permanent marks err as one that no retry can mend. A delivery that fails with it is dead at once. A nil
// err stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// IsPermanent reports whether err was marked with [Permanent].
func IsPermanent(err error) bool {
	var p *permanentError
	return errors.As(err, &p)
}

type permanentError struct{ err error }

func (p *permanentError) Error() string { return p.err.Error() }
func (p *permanentError) Unwrap() error { return p.err }
