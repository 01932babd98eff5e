package rules

import (
	"strings"

	"plugboard/app"
)

// MaxViolations is how many violated rules an answer lists.
const MaxViolations = 100

// Violations collects what is wrong with one request, the first maxViolations of it.
type Violations struct {
	list []app.Violation
	// zeros are fields of the request itself whose rules are still to be applied, since they were given.
	zeros []GivenZero
}

// Add adds one, unless there are enough.
func (v *Violations) Add(field, rule, message string) {
	if !v.Full() {
		v.list = append(v.list, app.Violation{Field: field, Rule: rule, Message: message})
	}
}

// AddZero notes a field of the request itself that was given with its zero value.
func (v *Violations) AddZero(z GivenZero) { v.zeros = append(v.zeros, z) }

// Len returns how many there are.
func (v *Violations) Len() int { return len(v.list) }

// Full reports whether more would not be listed.
func (v *Violations) Full() bool { return len(v.list) >= MaxViolations }

// Covers reports whether field is already known to be wrong, as a whole or as part of another, or could not be read in full, so
// that another complaint would only repeat it.
func (v *Violations) Covers(field string) bool {
	for _, x := range v.list {
		if x.Field == field || x.Field == "body" || isWithin(field, x.Field) || isWithin(x.Field, field) && isUnread(x.Rule) {
			return true
		}
	}
	return false
}

// isUnread reports whether rule is one of those that a value breaks which is not taken over into the request.
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
	return &app.Error{Code: app.Invalid, Message: Summary(v.list), Details: v.list}
}

// Summary puts the first violations into one sentence.
func Summary(list []app.Violation) string {
	const most = 5
	if len(list) <= most {
		return app.Violations(list).Error()
	}
	return app.Violations(list[:most]).Error() + "; and more"
}
