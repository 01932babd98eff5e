package httpserver

import (
	"strings"

	"plugboard/app"
)

// maxViolations is how many violated rules an answer lists.
const maxViolations = 100

// violations collects what is wrong with one request, the first maxViolations of it.
type violations struct {
	list []app.Violation
	// zeros are fields of the request itself whose rules are still to be applied, since they were given.
	zeros []givenZero
}

func (v *violations) add(field, rule, message string) {
	if !v.full() {
		v.list = append(v.list, app.Violation{Field: field, Rule: rule, Message: message})
	}
}

// full reports whether more would not be listed.
func (v *violations) full() bool { return len(v.list) >= maxViolations }

// covers reports whether field is already known to be wrong, as a whole or as part of another, or could not be read in full, so
// that another complaint would only repeat it.
func (v *violations) covers(field string) bool {
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

// err returns the failure that lists the violations, or nil without any.
func (v *violations) err() error {
	if len(v.list) == 0 {
		return nil
	}
	return &app.Error{Code: app.Invalid, Message: summary(v.list), Details: v.list}
}

// summary puts the first violations into one sentence.
func summary(list []app.Violation) string {
	const most = 5
	if len(list) <= most {
		return app.Violations(list).Error()
	}
	return app.Violations(list[:most]).Error() + "; and more"
}
