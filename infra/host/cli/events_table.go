package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"plugboard/infra/eventbus/admin"
)

// listed returns an empty list for nil, so that JSON has [] and not null.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// table says how a list is printed.
type table[T any] struct {
	head string // with tabs between the columns
	row  func(T) string
}

// write prints a list as a table or as JSON.
func (t table[T]) write(c *Commands, list []T, asJSON bool) error {
	if asJSON {
		return c.printJSON(listed(list))
	}
	return tableOf(c, t.head, list, t.row)
}

func deliveryTable() table[admin.Delivery] {
	return table[admin.Delivery]{"EVENT\tTOPIC\tKEY\tSUBSCRIPTION\tSTATE\tATTEMPTS\tPUBLISHED\tERROR", func(d admin.Delivery) string {
		return row(d.EventID, d.Topic, d.Key, d.Subscription, stateOf(d), fmt.Sprint(d.Attempts), at(d.PublishedAt), brief(d.Error))
	}}
}

// stateOf returns the state of a delivery in words.
func stateOf(d admin.Delivery) string {
	if d.ParkedUntil.IsZero() {
		return d.State
	}
	return "parked until " + at(d.ParkedUntil)
}

// pendingOf returns the number of pending deliveries in words.
func pendingOf(s admin.Subscription) string {
	if s.Parked == 0 {
		return fmt.Sprint(s.Pending)
	}
	return fmt.Sprintf("%d (%d parked, until %s)", s.Pending, s.Parked, at(s.ParkedUntil))
}

func subscriptionTable() table[admin.Subscription] {
	return table[admin.Subscription]{"SUBSCRIPTION\tTOPIC\tPLUGIN\tSTATE\tPENDING\tRUNNING\tDEAD\tOLDEST\tSEEN", func(s admin.Subscription) string {
		state := s.State
		if s.Orphan {
			state += ", orphan"
		}
		return row(s.Name, s.Topic, s.Plugin, state, pendingOf(s), runningOf(s), fmt.Sprint(s.Dead), at(s.Oldest), at(s.SeenAt))
	}}
}

// runningOf returns the number of running deliveries, and since when the oldest runs.
func runningOf(s admin.Subscription) string {
	if s.Running == 0 {
		return "0"
	}
	return fmt.Sprintf("%d, since %s", s.Running, at(s.RunningSince))
}

func actionTable() table[admin.Action] {
	return table[admin.Action]{"TIME\tACTION\tACTOR\tEVENT\tSUBSCRIPTION\tDETAIL", func(a admin.Action) string {
		return row(at(a.At), a.Action, a.Actor, a.EventID, a.Subscription, brief(a.Detail))
	}}
}

// printEvent prints an event, its deliveries that are not done, and the actions on it.
func (c *Commands) printEvent(e admin.Event, asJSON bool) error {
	e.Deliveries, e.Actions = listed(e.Deliveries), listed(e.Actions)
	if asJSON {
		return c.printJSON(e)
	}
	facts := [][2]string{
		{"event", e.ID}, {"topic", e.Topic}, {"key", e.Key}, {"published", at(e.PublishedAt)}, {"emitter", e.Emitter},
		{"parent", e.Parent}, {"request", e.RequestID}, {"principal", e.Principal}, {"trace", e.Trace}, {"payload", e.Payload},
	}
	if e.Number != 0 {
		facts = append(facts, [2]string{"number", strconv.FormatInt(e.Number, 10)})
	}
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		facts = append(facts, [2]string{"header " + name, e.Headers[name]})
	}
	for _, f := range facts {
		if _, err := fmt.Fprintf(c.stdout, "%-12s %s\n", f[0], cmp.Or(visible(f[1]), "-")); err != nil {
			return err
		}
	}
	if len(e.Deliveries) == 0 {
		_, _ = fmt.Fprintln(c.stdout, "\nevery subscription it was for has handled it, or its delivery was discarded")
	}
	for _, d := range e.Deliveries {
		_, _ = fmt.Fprintf(c.stdout, "\n%-12s %s\n%-12s %s, attempts %d, due %s\n", "delivery", visible(d.Subscription), "state", stateOf(d), d.Attempts, at(d.DueAt))
		if d.Error != "" {
			_, _ = fmt.Fprintf(c.stdout, "%-12s %s: %s\n", "failed", at(d.FailedAt), visible(d.Error))
		}
	}
	for _, a := range e.Actions {
		_, _ = fmt.Fprintf(c.stdout, "\n%-12s %s by %s at %s\n", "action", a.Action+" "+visible(a.Subscription), visible(a.Actor), at(a.At))
	}
	return nil
}

// row joins the cells of a table's row; an empty one shows as a dash.
func row(cells ...string) string {
	for i, cell := range cells {
		cells[i] = cmp.Or(visible(cell), "-")
	}
	return strings.Join(cells, "\t")
}

// visible replaces characters that break a table or control a terminal: plugins and their callers chose the keys,
// headers and errors.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, text)
}

// at prints a time, in UTC to the second.
func at(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// briefLength is how many characters of a text a table shows.
const briefLength = 60

func brief(text string) string {
	if runes := []rune(text); len(runes) > briefLength {
		return string(runes[:briefLength-1]) + "…"
	}
	return text
}
