package application

import (
	"errors"
	"fmt"
	"strings"
)

// Problems is the error of an application that cannot be put together: it lists every mistake.
type Problems []error

// Error returns a numbered list, with files named from the module's root.
func (p Problems) Error() string {
	var b strings.Builder
	noun := "problems"
	if len(p) == 1 {
		noun = "problem"
	}
	fmt.Fprintf(&b, "the application cannot start; %d %s:", len(p), noun)
	for i, problem := range p {
		text := strings.ReplaceAll(FromRoot(problem.Error()), "\n", "\n     ")
		fmt.Fprintf(&b, "\n%3d. %s", i+1, text)
	}
	return b.String()
}

// Unwrap returns the problems.
func (p Problems) Unwrap() []error { return p }

// joinProblems flattens errs into Problems without repetitions; nil when there are none.
func joinProblems(errs ...error) error {
	var all Problems
	seen := map[string]bool{}
	for _, err := range flatten(errs) {
		if text := err.Error(); !seen[text] {
			seen[text] = true
			all = append(all, err)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

func flatten(errs []error) []error {
	var all []error
	for _, err := range errs {
		var joined interface{ Unwrap() []error }
		switch {
		case err == nil:
		case isJoined(err, &joined):
			all = append(all, flatten(joined.Unwrap())...)
		default:
			all = append(all, err)
		}
	}
	return all
}

// isJoined reports whether err is made of several errors and adds no text to them. It looks at err alone, not at what
// err wraps.
func isJoined(err error, joined *interface{ Unwrap() []error }) bool {
	var ok bool
	*joined, ok = err.(interface{ Unwrap() []error })
	if !ok {
		return false
	}
	if _, ok := err.(Problems); ok { //nolint:errorlint // what err wraps belongs to its text
		return true
	}
	return err.Error() == errors.Join((*joined).Unwrap()...).Error()
}
