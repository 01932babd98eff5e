package lint

import "go/types"

// Misfit is a misfit, for tests.
type Misfit struct {
	Field   string
	Missing bool
	Text    string
}

// Misfits compares two types as the rule on events does.
func Misfits(dst, src types.Type) []Misfit {
	var found []Misfit
	for _, m := range compare(eventPayload(dst), eventPayload(src)) {
		found = append(found, Misfit{m.field, m.missing, m.text})
	}
	return found
}

// DeadLetter describes app.DeadLetter as the rule on events knows it.
func DeadLetter() Payload { return deadLetter() }
