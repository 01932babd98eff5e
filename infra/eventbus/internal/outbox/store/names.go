package store

import (
	"cmp"
	"slices"
	"time"
)

// A subscription can have several names: the one it was first registered with, and those that app.Formerly or an operator gave
// it. All its deliveries are stored under one of them, as a rule the first, whatever the subscription is called. So an event has
// one delivery to a renamed subscription, and versions of the service that know it by different names work on the same
// deliveries. A rename and its rollback move nothing.
//
// In bus_subscriptions the name under which deliveries are stored has an ordinary row. The row of another name is retired, so
// that no publisher stores a delivery under it, and its column adopted_by holds the name under which they are stored.

// SubscriptionRow is a name of a subscription, as the database knows it.
type SubscriptionRow struct {
	Name, Topic, Plugin string
	// State is "active" or "retired". A retired name gets no new deliveries.
	State string
	// SeenAt is when a process last had the name.
	SeenAt time.Time
	// AdoptedBy is the name under which the deliveries are stored, or "" when that is Name.
	AdoptedBy string
	// Unclaimed is true if AdoptedBy is another name, and deliveries that no process has claimed are still stored under Name.
	Unclaimed bool
}

// Names is what the database knows of all names of subscriptions, by name.
type Names map[string]SubscriptionRow

// StoredAs returns the name under which the deliveries of the subscription called name are stored.
func (n Names) StoredAs(name string) string {
	for range n { // more steps than there are rows would be a circle
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

// DisplayName returns what to call the subscription whose deliveries are stored under storedAs: by the name that this build has,
// given in known, else by the one that a process had last.
func (n Names) DisplayName(storedAs string, known map[string]bool) string {
	names := n.NamesOf(storedAs)
	return names[max(0, slices.IndexFunc(names, func(name string) bool { return known[name] }))]
}

// rename notes that deliveries that were stored under oldName are stored under newName.
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
