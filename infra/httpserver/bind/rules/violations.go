package rules

import (
	"strings"

	"plugboard/app"
)

// maxViolations is how many violated rules an answer lists.
const maxViolations = 100

// Violations collects what is wrong with one request, up to the number that an answer lists. The zero value is ready.
type Violations struct {
	list []app.Violation
	// zeros are fields of the request itself that were given with their zero value. Their rules are applied at the end.
	zeros []GivenZero
}

// Add adds a violation, unless there are as many as an answer lists.
func (v *Violations) Add(field, rule, message string) {
	if !v.Full() {
		v.list = append(v.list, app.Violation{Field: field, Rule: rule, Message: message})
	}
}

// AddZero notes a field of the request itself that was given with its zero value.
func (v *Violations) AddZero(z GivenZero) { v.zeros = append(v.zeros, z) }

// Len returns how many violations there are.
func (v *Violations) Len() int { return len(v.list) }

// Full reports whether an answer lists no more.
func (v *Violations) Full() bool { return len(v.list) >= maxViolations }

// Covers reports whether a violation of field would only repeat one that is listed: of field itself, of what field is part of, or of a
// part of field that could not be read.
func (v *Violations) Covers(field string) bool {
	for _, x := range v.list {
		if x.Field == field || x.Field == "body" || isWithin(field, x.Field) || isWithin(x.Field, field) && isUnread(x.Rule) {
			return true
		}
	}
	return false
}

// isUnread reports whether a value that breaks the rule was not taken over into the request.
func isUnread(rule string) bool {
	switch rule {
	case "type", "null", "nul", "single", "unknown":
		return true
	default:
		return false
	}
}

// isWithin reports whether field is a part of whole.
func isWithin(field, whole string) bool {
	return len(field) > len(whole) && field[len(whole)] == '.' && strings.HasPrefix(field, whole)
}

// Err returns the failure that lists the violations, or nil without any.
func (v *Violations) Err() error {
	if len(v.list) == 0 {
		return nil
	}
	return Failure(v.list)
}

// Failure returns the failure that lists as many of the violations as an answer may.
func Failure(list []app.Violation) *app.Error {
	const most = 5 // in the message
	message := app.Violations(list[:min(len(list), most)]).Error()
	if len(list) > most {
		message += "; and more"
	}
	return &app.Error{Code: app.Invalid, Message: message, Details: list[:min(len(list), maxViolations)]}
}
