package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// renamed is a subscription that was called mail, then letters, and is called post by some process now, beside another one.
var renamed = Names{
	"mail":    {Name: "mail", Topic: "t", State: "active", SeenAt: time.UnixMilli(1)},
	"letters": {Name: "letters", Topic: "t", State: "retired", AdoptedBy: "mail", SeenAt: time.UnixMilli(2)},
	"post":    {Name: "post", Topic: "t", State: "retired", AdoptedBy: "letters", SeenAt: time.UnixMilli(3)},
	"other":   {Name: "other", Topic: "u", State: "active", SeenAt: time.UnixMilli(9)},
	"old":     {Name: "old", Topic: "v", State: "retired", AdoptedBy: "deleted"},
}

func TestNamesLeadToWhereDeliveriesAreStored(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"mail": "mail", "letters": "mail", "post": "mail", "other": "other", "unknown": "unknown", "old": "old"} {
		require.Equal(t, want, renamed.StoredAs(name), name)
	}
	require.Equal(t, []string{"post", "letters", "mail"}, renamed.NamesOf("mail"), "the last seen first")
	require.Equal(t, []string{"unknown"}, renamed.NamesOf("unknown"))
	require.Equal(t, map[string]bool{"t": true, "u": true}, renamed.topics())
}

func TestASubscriptionIsCalledByThisBuildsName(t *testing.T) {
	t.Parallel()
	require.Equal(t, "letters", renamed.DisplayName("mail", map[string]bool{"letters": true, "other": true}))
	require.Equal(t, "post", renamed.DisplayName("mail", nil), "the last seen")
}

// A circle of names, as only a hand can write it, ends.
func TestACircleOfNamesEnds(t *testing.T) {
	t.Parallel()
	circle := Names{"a": {Name: "a", AdoptedBy: "b"}, "b": {Name: "b", AdoptedBy: "a"}}
	require.Contains(t, []string{"a", "b"}, circle.StoredAs("a"))
	require.NotEmpty(t, circle.NamesOf("a"))
	require.Equal(t, "itself", Names{"itself": {AdoptedBy: "itself"}}.StoredAs("itself"))
}

func TestARenameMovesAllNames(t *testing.T) {
	t.Parallel()
	n := Names{
		"a": {Name: "a", State: "active"}, "b": {Name: "b", State: "retired", AdoptedBy: "a"}, "c": {Name: "c", State: "active"},
		"d": {Name: "d", State: "retired", AdoptedBy: "c"},
	}
	n.rename("a", "c")
	require.Equal(t, Names{
		"a": {Name: "a", State: "retired", AdoptedBy: "c"}, "b": {Name: "b", State: "retired", AdoptedBy: "c"}, "c": {Name: "c", State: "active"},
		"d": {Name: "d", State: "retired", AdoptedBy: "c"},
	}, n)
}
