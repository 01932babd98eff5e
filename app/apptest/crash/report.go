package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// The kinds of violations. The first four are the differences that must be empty.
const (
	lost        = "acked − stored"
	undelivered = "stored − delivered"
	phantom     = "delivered − stored"
	repeated    = "effects ≠ 1"
	disorder    = "order of a key"
	revived     = "rolled back, yet there"
	torn        = "events ≠ writes"
	deadLetters = "dead letters"
	answers     = "answers of a key"
	damaged     = "integrity_check"
	stuck       = "not drained"
	unhealthy   = "the service"
)

// kinds lists the kinds that every report shows, in order.
var kinds = []string{lost, undelivered, phantom, repeated, disorder, revived, torn, deadLetters, answers, damaged, stuck, unhealthy} //nolint:gochecknoglobals // a constant

// maxExamples is how many violations of a kind a report names.
const maxExamples = 5

// report is the result of the oracle.
type report struct {
	// found counts the violations by kind, examples names the first of each.
	found    map[string]int
	examples map[string][]string
	// figures are for people, in order.
	figures []figure
}

type figure struct{ name, value string }

func newReport() *report {
	return &report{found: make(map[string]int), examples: make(map[string][]string)}
}

// violate notes a violation.
func (r *report) violate(kind, format string, args ...any) {
	r.found[kind]++
	if len(r.examples[kind]) < maxExamples {
		r.examples[kind] = append(r.examples[kind], fmt.Sprintf(format, args...))
	}
}

// figure notes a number for people.
func (r *report) figure(name string, value any) {
	if d, ok := value.(time.Duration); ok {
		value = d.Round(time.Millisecond)
	}
	r.figures = append(r.figures, figure{name, fmt.Sprint(value)})
}

// clean reports whether nothing is violated.
func (r *report) clean() bool { return len(r.found) == 0 }

// has reports whether something of the kind is violated.
func (r *report) has(kind string) bool { return r.found[kind] > 0 }

// print writes the report.
func (r *report) print(w io.Writer, title string) {
	fmt.Fprintf(w, "%s\n", title)
	for _, f := range r.figures {
		fmt.Fprintf(w, "  %-34s %s\n", f.name, f.value)
	}
	for _, kind := range kinds {
		fmt.Fprintf(w, "  %-34s %d\n", kind, r.found[kind])
		for _, example := range r.examples[kind] {
			fmt.Fprintf(w, "      %s\n", example)
		}
	}
}

// String lists the violations.
func (r *report) String() string {
	var lines []string
	for _, kind := range kinds {
		if r.found[kind] > 0 {
			lines = append(lines, fmt.Sprintf("%s: %d: %s", kind, r.found[kind], strings.Join(r.examples[kind], "; ")))
		}
	}
	if lines == nil {
		return "nothing is violated"
	}
	return strings.Join(slices.Clip(lines), "\n")
}
