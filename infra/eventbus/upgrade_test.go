package eventbus_test

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
)

// In a database of the version before, the clocks of processes gave the first numbers of keys. After the upgrade the numbers still grow:
// the numbers of known keys by one, and new keys begin above all numbers of the topic.
func TestNumbersOfTheVersionBeforeGoOn(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		db := openAt(t, at)
		bus, err := eventbus.New(settings(), db, zap.NewNop(), nil)
		require.NoError(t, err)
		before := database.MigrationSet{Domain: "eventbus", FS: without(t, bus.Migrations().FS, "hardening")}
		require.NoError(t, db.Migrate(t.Context(), []database.MigrationSet{before}))
		for _, statement := range []string{
			fmt.Sprintf("INSERT INTO bus_sequences (topic, key, first, last, used_at) VALUES ('thing.made', 'a', 1, 7, %d), ('thing.made', 'fast', 1, 4000000000000000000, %[1]d)",
				time.Now().UnixMilli()),
			`INSERT INTO bus_events (id, topic, key, seq, emitter, parent, request_id, trace, headers, payload, published_at)
				VALUES ('e', 'thing.made', 'pruned', 4000000000000000005, 'x', '', '', '', '', '{}', 0)`,
		} {
			_, err := db.ExecContext(t.Context(), statement)
			require.NoError(t, err)
		}

		require.NoError(t, db.Close(t.Context()))
		r := start(t, at, settings(), publishes(Made{}), subscribes(app.On(func(context.Context, Made) error { return nil })))
		for _, key := range []string{"a", "fast", "new", "pruned"} {
			r.publish(Made{Group: key})
		}
		for key, want := range map[string]int64{"a": 8, "fast": 4000000000000000001, "new": 4000000000000000006, "pruned": 4000000000000000006} {
			require.Equal(t, want, number(t, r.db, "SELECT MAX(seq) FROM bus_events WHERE key = '"+key+"'"), key)
		}
	})
}

// without returns files without the files of a name.
func without(t *testing.T, files fs.FS, name string) fs.FS {
	t.Helper()
	left := fstest.MapFS{}
	require.NoError(t, fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, name) {
			return err
		}
		content, err := fs.ReadFile(files, path)
		left[path] = &fstest.MapFile{Data: content}
		return err
	}))
	return left
}
