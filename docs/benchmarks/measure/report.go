package measure

import (
	"fmt"
	"strings"
	"time"
)

// Limit is what a figure is held against. The zero Limit holds nothing: the figure is for information.
type Limit struct {
	most  bool
	value float64
	given bool
	aim   bool
}

// AtMost is met by figures up to v.
func AtMost(v float64) Limit { return Limit{most: true, value: v, given: true} }

// AtLeast is met by figures from v on.
func AtLeast(v float64) Limit { return Limit{value: v, given: true} }

// Aim makes of l a wish: missing it is shown, and does not fail the run.
func (l Limit) Aim() Limit {
	l.aim = true
	return l
}

func (l Limit) met(v float64) bool {
	if l.most {
		return v <= l.value
	}
	return v >= l.value
}

// Finding is one line of a report: a figure, what it is made of, and its limit.
type Finding struct {
	// Name says what was measured.
	Name string
	// Ours and Peer are the figures compared, with their units and spread; Peer is empty when there is
	// nothing to compare with.
	Ours, Peer string
	// Value is what the limit is held against: the ratio, or the figure itself.
	Value Series
	// Figure writes Value; nil means [Count].
	Figure func(float64) string
	// Limit is the requirement.
	Limit Limit
}

// Verdict is "pass", "miss", "aim missed", or "–" without a limit.
func (f Finding) Verdict() string {
	switch {
	case !f.Limit.given:
		return "–"
	case f.Limit.met(f.Value.Median()):
		return "pass"
	case f.Limit.aim:
		return "aim missed"
	default:
		return "**miss**"
	}
}

// Missed reports whether a requirement was not met.
func (f Finding) Missed() bool {
	return f.Limit.given && !f.Limit.aim && !f.Limit.met(f.Value.Median())
}

func (f Finding) figure(v float64) string {
	if f.Figure == nil {
		return Count(v)
	}
	return f.Figure(v)
}

func (f Finding) requirement() string {
	sign := "≥ "
	if f.Limit.most {
		sign = "≤ "
	}
	switch {
	case !f.Limit.given:
		return "–"
	case f.Limit.aim:
		return "aim " + sign + f.figure(f.Limit.value)
	default:
		return sign + f.figure(f.Limit.value)
	}
}

// Section is what one comparison found.
type Section struct {
	// Title names the comparison.
	Title string
	// Config lists what a reader must know to repeat or doubt the figures, one line each.
	Config []string
	// Findings are the figures.
	Findings []Finding
	// Skipped says why the comparison was not made; empty when it was.
	Skipped string
	// Took is how long it ran.
	Took time.Duration
}

// Report is the outcome of one run of the benchmarks.
type Report struct {
	Machine  Machine
	Sections []Section
	// Quick marks a run that is too short for verdicts.
	Quick bool
}

// Missed returns the names of the findings whose requirement was not met; none after a quick run.
func (r Report) Missed() []string {
	var names []string
	if r.Quick {
		return nil
	}
	for _, s := range r.Sections {
		for _, f := range s.Findings {
			if f.Missed() {
				names = append(names, s.Title+": "+f.Name)
			}
		}
	}
	return names
}

// Markdown writes the report for a README: the machine, one table, and the configurations below it.
func (r Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", r.Machine)
	if r.Quick {
		b.WriteString("**Quick run: it shows that the comparisons work; its figures mean nothing.**\n\n")
	}
	b.WriteString("| comparison | ours | peer | result | required | |\n|---|---|---|---|---|---|\n")
	for _, s := range r.Sections {
		for _, f := range s.Findings {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", f.Name, orDash(f.Ours), orDash(f.Peer),
				f.Value.Format(f.figure), f.requirement(), r.verdict(f))
		}
		if s.Skipped != "" {
			fmt.Fprintf(&b, "| %s | – | – | **NOT MEASURED**: %s | | |\n", s.Title, s.Skipped)
		}
	}
	for _, s := range r.Sections {
		fmt.Fprintf(&b, "\n**%s** (%s)\n\n", s.Title, s.Took.Round(100*time.Millisecond))
		for _, line := range s.Config {
			fmt.Fprintf(&b, "- %s\n", line)
		}
	}
	return b.String()
}

func (r Report) verdict(f Finding) string {
	if r.Quick {
		return "–"
	}
	return f.Verdict()
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}
