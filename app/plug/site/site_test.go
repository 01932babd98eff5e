package site_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"plugboard/app/apptest/emptydb"
	"plugboard/app/plug/lint"
	"plugboard/app/plug/site"
)

const shop = "example.org/shop"

// A service is made from an empty folder with nothing but what the host has published. It has everything that this
// repository has, keeps the same rules, loses nothing when it is killed, and goes to the next version of the host by one
// command, while a replica of the version before serves on. All of it happens in one service, since every build of a host
// costs. With SITE_ALL=1, as in make check/full, a clone becomes a service too, and one with all modules in its folder is upgraded, for which
// everything is compiled again.
func TestAServiceOfAPublishedHost(t *testing.T) {
	t.Parallel()
	database := emptydb.Postgres(t)
	h := newHost(t)
	h.publish("v0.1.0")
	s := h.service()
	s.isMade()
	all := os.Getenv("SITE_ALL") != ""
	if all {
		h.fromAClone()
	}
	h.followsThePages()
	s.answersInAMinute()
	s.grows()
	s.Must("make docs")
	s.listsADomainOfAnotherModule()
	s.losesNothingWhenItIsKilled()
	s.breaksEachRule()
	var vendored *service
	if all {
		vendored = s.vendored()
	}
	h.changes()
	h.publish("v0.2.0")
	s.goesToTheNextVersion(database)
	if all {
		vendored.goesToTheNextVersionVendored()
	}
}

// mostFiles is how many files may be written for a new service.
const mostFiles = 16

func (s *service) isMade() {
	t := s.T
	begin := time.Now()
	output := s.Must("go run " + s.host.path + "/app/plug@v0.1.0 init " + shop)
	t.Logf("from nothing to a service: %.1f s, with the host compiled for the first time", time.Since(begin).Seconds())
	written, _, _ := strings.Cut(output, "domains/greetings/plugins/greet.go\ndocs/")
	require.LessOrEqual(t, strings.Count(written, "\n"), mostFiles)
	require.NoFileExists(t, filepath.Join(s.Dir, "domains", "products"))
	s.Must("go build -o bin/shop .")
	require.Regexp(t, `^shop \S+ go1\S+ on `+regexp.QuoteMeta(s.host.path)+` v0\.1\.0\n$`, s.Must("bin/shop version"))
	s.Fails("go run "+s.host.path+"/app/plug@v0.1.0 init "+shop, "go.mod is there already")
}

// answersInAMinute goes to an answering, documented, tested endpoint of one's own by two more commands. What is held
// against the minute is the time that the commands take of one processor, which does not depend on what else the machine
// does.
func (s *service) answersInAMinute() {
	t := s.T
	begin, before := time.Now(), s.CPU
	s.Must("go tool plug new orders/place_order --path /orders/:id/place --method put")
	s.Must("go test ./domains/orders/...")
	s.Must("go build -o bin/shop .")
	p := s.serve("bin/shop", emptydb.SQLite(t))
	require.Contains(t, get(t, p.address+"/openapi.json"), `"/orders/{id}/place"`)
	took := s.CPU - before
	t.Logf("to a documented, tested answer of one's own: %.1f s, in which the commands took %.1f s of one processor", time.Since(begin).Seconds(), took.Seconds())
	require.Less(t, took, time.Minute)
	p.end(syscall.SIGTERM)
}

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	res, err := (&http.Client{Timeout: time.Minute}).Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	var text strings.Builder
	require.NoError(t, res.Write(&text))
	return text.String()
}

// grows adds a plugin of each kind, and a domain that writes and publishes in one transaction, with one that hears it.
func (s *service) grows() {
	s.Must("go tool plug new --no-docs notes/write_note --path /notes")
	s.unpack("own.txtar", "domains/notes")
	s.Must("go tool plug new --no-docs tallies/count_note --kind subscriber --topic note.written")
	s.unpack("own.txtar", "domains/tallies")
	for _, args := range []string{
		"list_orders --kind list --path /orders", "hash_order --kind cpu", "tidy_orders --kind schedule", "receive_order --kind raw", "price_of --kind responder",
		"note_paid --kind subscriber --topic order.paid --ahead",
	} {
		s.Must("go tool plug new --no-docs orders/" + args)
	}
	s.Must("go mod tidy")
}

// unpack writes the files of an archive in testdata that are below a folder, and returns them.
func (s *service) unpack(archive, below string) []txtar.File {
	s.T.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", archive))
	require.NoError(s.T, err)
	all := txtar.Parse([]byte(strings.NewReplacer("HOST", s.host.path, "SITE", shop).Replace(string(text)))).Files
	for _, f := range all {
		if strings.HasPrefix(f.Name, below+"/") {
			s.Write(f.Name, string(f.Data))
		}
	}
	return all
}

// listsADomainOfAnotherModule lists a domain that the host's module offers: its endpoints are in all documents.
func (s *service) listsADomainOfAnotherModule() {
	t := s.T
	s.Replace("main.go", "\n\t\""+s.host.path+"/infra/host\"\n", "\n\t\""+s.host.path+"/domains/products\"\n\t\""+s.host.path+"/infra/host\"\n")
	s.Replace("main.go", "\tgreetings.Module,\n", "\tgreetings.Module,\n\tproducts.Module,\n")
	s.Must("go tool plug docs")
	for _, document := range []string{"docs/openapi.json", "docs/swagger.json", "docs/swagger.yaml"} {
		require.Contains(t, s.Read(document), "/products/{id}", document)
	}
	require.Contains(t, s.Read("docs/AI_CONTEXT.md"), "products.create_product")
	require.Contains(t, s.Read("docs/asyncapi.yaml"), "product.created")
	s.Must("go tool plug docs --check")
	s.Must("go tool plug lint")
	s.Must("go test .")
}

// losesNothingWhenItIsKilled kills the service while it is written to, and starts it again, a few times.
func (s *service) losesNothingWhenItIsKilled() {
	t := s.T
	const kills = 3
	s.Must("go build -o bin/shop .")
	database := emptydb.SQLite(t)
	stored := map[int64]bool{}
	for range kills {
		p := s.serve("bin/shop", database)
		l := startLoad(t, p.address)
		l.reaches(100)
		p.end(syscall.SIGKILL)
		l.end()
		for id := range l.stored {
			stored[id] = true
		}
	}
	s.isComplete(s.serve("bin/shop", database), database, stored)
}

// isComplete waits until each note has its tally, stops the service, and looks for every acknowledged note.
func (s *service) isComplete(p *process, database string, stored map[int64]bool) {
	t := s.T
	t.Helper()
	s.drains(database)
	p.end(syscall.SIGTERM)
	db := emptydb.Open(t, database)
	ids := func(query string) (all []int64) {
		rows, err := db.QueryContext(t.Context(), query)
		require.NoError(t, err)
		defer rows.Close()
		for rows.Next() {
			var id int64
			require.NoError(t, rows.Scan(&id))
			all = append(all, id)
		}
		require.NoError(t, rows.Err())
		return all
	}
	notes := ids(`SELECT id FROM notes ORDER BY id`)
	require.Equal(t, notes, ids(`SELECT CAST(name AS INTEGER) FROM tallies ORDER BY 1`), "each note is counted once")
	have := map[int64]bool{}
	for _, id := range notes {
		have[id] = true
	}
	for id := range stored {
		require.True(t, have[id], "note %d was acknowledged and is gone", id)
	}
	t.Logf("%d notes acknowledged, %d stored, each counted once", len(stored), len(notes))
}

// drains waits until no delivery is pending, as the service's own command tells.
func (s *service) drains(database string) {
	s.T.Helper()
	require.Eventually(s.T, func() bool {
		cmd := s.Command(s.T.Context(), "bin/shop", "events", "subscriptions", "--json")
		cmd.Env = append(cmd.Env, "APP_DATABASE_URL="+database)
		output, err := cmd.Output()
		var all []struct{ Pending int }
		return assert.NoError(s.T, err) && assert.NoError(s.T, json.Unmarshal(output, &all)) && len(all) > 0 &&
			!slices.ContainsFunc(all, func(sub struct{ Pending int }) bool { return sub.Pending > 0 })
	}, time.Minute, 200*time.Millisecond)
}

// breaksEachRule plants a violation of each rule, and sees it found.
func (s *service) breaksEachRule() {
	t := s.T
	before := s.Read("main.go")
	files := s.unpack("planted.txtar", "domains/planted")
	s.Replace("main.go", "\t\""+shop+"/domains/notes\"\n", "\t\""+shop+"/domains/notes\"\n\t\""+shop+"/domains/planted\"\n")
	s.Replace("main.go", "\tgreetings.Module,\n", "\tgreetings.Module,\n\tplanted.Module,\n")
	output, err := s.Run("go tool plug lint")
	require.Error(t, err)
	for _, f := range files {
		if f.Name == "wanted" {
			for want := range strings.Lines(string(f.Data)) {
				assert.Contains(t, output, strings.TrimSpace(want))
			}
			continue
		}
		for i, line := range strings.Split(string(f.Data), "\n") {
			for _, want := range strings.Split(line, "// want ")[1:] {
				assert.Regexp(t, fmt.Sprintf(`(?m)^%s:%d:\d+: .*%s`, regexp.QuoteMeta(f.Name), i+1, regexp.QuoteMeta(strings.TrimSpace(want))), output)
			}
		}
	}
	rules := lint.Rules(site.Contract())
	t.Logf("%d rules, %d violations found", len(rules), strings.Count(output, "\n"))
	require.NoError(t, os.RemoveAll(filepath.Join(s.Dir, "domains", "planted")))
	s.Write("main.go", before)
	s.Must("go tool plug lint")
}
