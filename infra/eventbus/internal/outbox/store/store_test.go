package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTextIsFilledInForEachDatabase(t *testing.T) {
	t.Parallel()
	const query = "SELECT {greatest}({now}, ?) FROM {each} WHERE id {in list} AND n > ? {lock free}"
	want := map[bool]string{
		false: "SELECT MAX(CAST(unixepoch('subsec') * 1000 AS INTEGER), ?) FROM json_each(?) k WHERE id IN (SELECT value FROM json_each(?)) AND n > ? ",
		true: "SELECT GREATEST((extract(epoch FROM clock_timestamp()) * 1000)::bigint, $1) FROM jsonb_array_elements_text($2::jsonb) k(value) " +
			"WHERE id = ANY (ARRAY(SELECT jsonb_array_elements_text($3::jsonb))) AND n > $4 FOR UPDATE SKIP LOCKED",
	}
	each(t, func(t *testing.T, r rig) {
		for range 2 { // the second time from memory
			require.Equal(t, want[r.Postgres], r.Text(query))
		}
	})
}

func TestListsAreLookedUpWhateverTheyHold(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		odd := []string{`"`, `\`, "'", "a,b", "é", "", "[]", "{}", "%"}
		for _, id := range odd {
			r.add(id, "")
		}
		r.add("other", "")
		require.ElementsMatch(t, odd, r.texts("SELECT event_id FROM bus_deliveries WHERE event_id {in list}", JSONList(odd)))
		require.Empty(t, r.texts("SELECT event_id FROM bus_deliveries WHERE event_id {in list}", JSONList(nil)))
		require.Equal(t, "[]", JSONList([]string{"\xff"}), "no stored value is so")
	})
}

// The outbox tells a bad row from a bad database by this type.
func TestARowThatCannotBeReadIsARowError(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		var n int64
		var bad *RowError
		_, err := r.QueryRow(r.ctx(), []any{&n}, "SELECT 'no number'")
		require.ErrorAs(t, err, &bad)
		require.ErrorContains(t, err, "read row: ")
		require.Error(t, errors.Unwrap(bad))
		_, err = r.QueryRow(r.ctx(), []any{&n}, "SELECT nothing FROM nowhere")
		require.Error(t, err)
		require.NotErrorAs(t, err, &bad)
	})
}

func TestMillisReadsTimes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		one, zero, null := time.Now(), time.Now(), time.Now()
		found, err := r.QueryRow(r.ctx(), []any{Millis{&one}, Millis{&zero}, Millis{&null}}, "SELECT 1, 0, NULL")
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, []time.Time{time.UnixMilli(1).UTC(), {}, {}}, []time.Time{one, zero, null})
		require.Equal(t, []int64{1, 0}, []int64{milli(one), milli(zero)})
		require.Error(t, Millis{&one}.Scan("no number"))
	})
}

func TestStatementsTakePartInTheirTransaction(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		undone := errors.New("undone")
		require.ErrorIs(t, r.DB.InTx(r.ctx(), func(ctx context.Context) error {
			_, err := r.Exec(ctx, "INSERT INTO bus_floors (topic, last) VALUES ('t', 1)")
			require.NoError(t, err)
			require.NoError(t, r.ExecLast(ctx, "test", "INSERT INTO bus_floors (topic, last) VALUES ('u', 1)"))
			return undone
		}), undone)
		require.Zero(t, r.number("SELECT COUNT(*) FROM bus_floors"))
		require.EqualError(t, r.ExecLast(r.ctx(), "test", "SELECT 1"), "test: the transaction has ended")
	})
}

// A statement on SQLite is not interrupted by its context: that would roll back the whole transaction.
func TestAnEndedContextStopsNoStatementOnSQLite(t *testing.T) {
	t.Parallel()
	r := onSQLite(t)
	ctx, cancel := context.WithCancel(r.ctx())
	cancel()
	_, err := r.Exec(ctx, "INSERT INTO bus_floors (topic, last) VALUES ('t', 1)")
	require.NoError(t, err)
	require.Equal(t, int64(1), r.number("SELECT COUNT(*) FROM bus_floors"))
}
