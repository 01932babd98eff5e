package store

import (
	"cmp"
	"slices"
	"time"
)

// A subscription can have several names: the name with which it was first registered, and names from app.Formerly or from an
// operator. All its deliveries are stored under one of these names, usually the first, and a rename does not change this name. So an
// event has one delivery to a renamed subscription, and two versions of the service that use different names for it work on the
// same deliveries. A rename moves no deliveries, and its rollback moves none back.
//
// In bus_subscriptions the name under which deliveries are stored has an ordinary row. The row of each other name is retired, so
// that no publisher stores a delivery under this name, and its column adopted_by holds the name under which deliveries are stored.

// SubscriptionRow is a row of bus_subscriptions: one name of a subscription.
type SubscriptionRow struct {
	Name, Topic, Plugin string
	// State is "active" or "retired". A retired name gets no new deliveries.
	State string
	// SeenAt is when a process last reported that it has a subscription of this name.
	SeenAt time.Time
	// AdoptedBy is the name under which the deliveries are stored; "" when they are stored under Name.
	AdoptedBy string
	// Unclaimed is true if AdoptedBy is another name, and deliveries that no process has claimed are still stored under Name.
	Unclaimed bool
}

// Names holds the rows of all names of subscriptions, by name.
type Names map[string]SubscriptionRow

// StoredAs returns the name under which the deliveries of the subscription called name are stored.
func (n Names) StoredAs(name string) string {
	for range n { // one step for each row at most, so that a circle of names does not loop for ever
		next := n[name].AdoptedBy
		if _, ok := n[next]; !ok {
			return name
		}
		name = next
	}
	return name
}

// NamesOf lists all names of the subscription whose deliveries are stored under storedAs, the last seen first.
func (n Names) NamesOf(storedAs string) []string {
	names := []string{storedAs}
	for name := range n {
		if name != storedAs && n.StoredAs(name) == storedAs {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(x, y string) int { return cmp.Or(n[y].SeenAt.Compare(n[x].SeenAt), cmp.Compare(x, y)) })
	return names
}

// DisplayName returns the name to show for the subscription whose deliveries are stored under storedAs. Known holds the names of
// this build. DisplayName prefers a known name, and otherwise takes the name that a process had last.
func (n Names) DisplayName(storedAs string, known map[string]bool) string {
	names := n.NamesOf(storedAs)
	return names[max(0, slices.IndexFunc(names, func(name string) bool { return known[name] }))]
}

// rename notes that the deliveries of oldName are stored under newName from now on.
func (n Names) rename(oldName, newName string) {
	for name, row := range n {
		if name == oldName || row.AdoptedBy == oldName && name != newName {
			row.State, row.AdoptedBy = "retired", newName
			n[name] = row
		}
	}
}

// topics returns the topics that have active subscriptions.
func (n Names) topics() map[string]bool {
	topics := make(map[string]bool, len(n))
	for _, row := range n {
		if row.State == "active" {
			topics[row.Topic] = true
		}
	}
	return topics
}
