package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// soundProbe returns tables without a fault: two writes of a lane, the second of which died and was replayed, and one
// without a lane; and what the clients know.
func soundProbe() (t *probeTables, acked, undone map[string]bool) {
	t = &probeTables{
		writes: map[string]probeRow{"a": {lane: "l", number: 1}, "b": {lane: "l", number: 2, poison: true}, "c": {}},
		events: map[string]string{"ea": "a", "eb": "b", "ec": "c"},
	}
	for _, subscription := range append([]string{"plain"}, once...) {
		for _, token := range []string{"a", "b", "c"} {
			w := t.writes[token]
			t.effects = append(t.effects, probeEffect{subscription, "e" + token, token, w.lane, w.number})
		}
	}
	t.effects = append(t.effects, probeEffect{subscription: "deadletter", event: "eb"})
	return t, map[string]bool{"a": true, "b": true}, map[string]bool{"d": true}
}

func TestTheOracleSeesEveryFault(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(t *probeTables, acked, undone map[string]bool)
		kinds []string
	}{
		"nothing":                    {func(*probeTables, map[string]bool, map[string]bool) {}, nil},
		"an acked write is missing":  {func(_ *probeTables, acked, _ map[string]bool) { acked["x"] = true }, []string{lost}},
		"a rolled back one is there": {func(_ *probeTables, _, undone map[string]bool) { undone["a"] = true }, []string{revived}},
		"a write without event":      {func(t *probeTables, _, _ map[string]bool) { delete(t.events, "ea") }, []string{torn}},
		"an event without write":     {func(t *probeTables, _, _ map[string]bool) { t.events["ex"] = "x" }, []string{torn}},
		"two events of a write":      {func(t *probeTables, _, _ map[string]bool) { t.events["ex"] = "a" }, []string{torn}},
		"an effect is missing":       {func(t *probeTables, _, _ map[string]bool) { t.effects = t.effects[1:] }, []string{undelivered}},
		"an effect of nothing": {func(t *probeTables, _, _ map[string]bool) {
			t.effects = append(t.effects, probeEffect{"plain", "ex", "x", "", 0})
		}, []string{phantom}},
		"an effect twice": {func(t *probeTables, _, _ map[string]bool) {
			t.effects = append(t.effects, probeEffect{"completing", "ec", "c", "", 0})
		}, []string{repeated}},
		"the plain one's twice": {func(t *probeTables, _, _ map[string]bool) {
			t.effects = append(t.effects, probeEffect{"plain", "ea", "a", "l", 1})
		}, nil},
		"out of order": {func(t *probeTables, _, _ map[string]bool) {
			t.effects[0], t.effects[1] = t.effects[1], t.effects[0]
		}, []string{disorder}},
		"a gap in a lane": {func(t *probeTables, _, _ map[string]bool) {
			t.writes["b"] = probeRow{lane: "l", number: 3, poison: true}
		}, []string{lost}},
		"a death that was not announced": {func(t *probeTables, _, _ map[string]bool) {
			t.effects = t.effects[:len(t.effects)-1]
		}, []string{deadLetters}},
		"a death that did not happen": {func(t *probeTables, _, _ map[string]bool) {
			t.effects = append(t.effects, probeEffect{subscription: "deadletter", event: "ea"})
		}, []string{deadLetters}},
		"dead after the replay": {func(t *probeTables, _, _ map[string]bool) { t.dead = 1 }, []string{deadLetters}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tables, acked, undone := soundProbe()
			c.spoil(tables, acked, undone)
			requireFound(t, c.kinds, func(r *report) { tables.judge(r, acked, undone) })
		})
	}
}

func requireFound(t *testing.T, want []string, judge func(r *report)) {
	t.Helper()
	r := newReport()
	judge(r)
	var found []string
	for _, kind := range kinds {
		if r.has(kind) {
			found = append(found, kind)
		}
	}
	require.Equal(t, want, found, r)
	require.Equal(t, want == nil, r.clean())
}

// soundProducts returns tables without a fault: product 1 created and changed twice, product 2 created and deleted.
func soundProducts() (*productTables, productFacts) {
	t := &productTables{
		prices: map[int64]float64{1: 3},
		events: map[string][]productEvent{
			"product.created": {{id: "c1", about: 1, price: 1}, {id: "c2", about: 2, price: 9}},
			"product.updated": {{id: "u1", key: "1", seq: 1, about: 1, price: 2}, {id: "u2", key: "1", seq: 2, about: 1, price: 3}},
			"product.deleted": {{id: "d2", about: 2}},
		},
		notified: []productEffect{{"c1", 1}, {"c2", 2}},
		audited: map[string][]productEffect{
			"product.created": {{"c1", 1}, {"c2", 2}},
			"product.updated": {{"u1", 1}, {"u2", 1}},
			"product.deleted": {{"d2", 2}},
		},
	}
	return t, productFacts{
		created: map[int64]bool{1: true, 2: true}, deleted: map[int64]bool{2: true}, changed: map[int64][]float64{1: {2, 3}},
	}
}

func TestTheOracleOfTheReleasedBinarySeesEveryFault(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(t *productTables, known *productFacts)
		kinds []string
	}{
		"nothing":                      {func(*productTables, *productFacts) {}, nil},
		"without an audit":             {func(t *productTables, _ *productFacts) { t.audited = nil }, nil},
		"an acked product is missing":  {func(_ *productTables, k *productFacts) { k.created[7] = true }, []string{lost}},
		"an acked change is missing":   {func(_ *productTables, k *productFacts) { k.changed[1] = []float64{8} }, []string{lost}},
		"an acked deletion is missing": {func(_ *productTables, k *productFacts) { k.deleted[1] = true }, []string{lost}},
		"a duplicate was accepted":     {func(_ *productTables, k *productFacts) { k.admitted = []string{"x"} }, []string{revived}},
		"a change without event":       {func(t *productTables, _ *productFacts) { t.prices[1] = 4 }, []string{torn}},
		"a deletion without event":     {func(t *productTables, _ *productFacts) { delete(t.prices, 1) }, []string{torn}},
		"a notification is missing":    {func(t *productTables, _ *productFacts) { t.notified = t.notified[1:] }, []string{undelivered}},
		"a notification twice":         {func(t *productTables, _ *productFacts) { t.notified = append(t.notified, t.notified[0]) }, []string{repeated}},
		"a notification of nothing": {func(t *productTables, _ *productFacts) {
			t.notified = append(t.notified, productEffect{"x", 1})
		}, []string{phantom}},
		"out of order": {func(t *productTables, _ *productFacts) {
			of := t.audited["product.updated"]
			of[0], of[1] = of[1], of[0]
		}, []string{disorder}},
		"a dead delivery": {func(t *productTables, _ *productFacts) { t.dead = 1 }, []string{deadLetters}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tables, known := soundProducts()
			c.spoil(tables, &known)
			requireFound(t, c.kinds, func(r *report) { tables.judge(r, known) })
		})
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-seed", "7", "-trials", "3", "-db", "postgres", "-setting", "APP_X=1"}, t.Output())
	require.NoError(t, err)
	require.Equal(t, uint64(7), o.seed)
	require.Equal(t, []string{"APP_X=1"}, o.settings)
	for _, args := range [][]string{{"-db", "oracle"}, {"-trials", "0"}, {"-service", "x"}, {"-pause", "-1s"}, {"-replicas", "1"}, {"-replicas", "3", "-minutes", "0"}} {
		_, err := parse(args, t.Output())
		require.Error(t, err, "%v", args)
	}
}
