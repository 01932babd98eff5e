package main_test

import (
	"bufio"
	"context"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app/plug/internal/plugtest"
	"plugboard/app/plug/lint"
	"plugboard/app/plug/scaffold"
)

// project is a copy of this repository.
type project struct{ *plugtest.Folder }

// A team makes the project theirs by one command. From then on a plugin takes two more from nothing to its answer and
// its place in the documentation, in less than a minute and with no file edited by hand; what plug makes, of each kind,
// compiles and keeps all rules, and what breaks them is found.
//
// All of it happens in one copy, under another name, since every build of a copy costs.
func TestFromNothingToAnAnswerInAMinute(t *testing.T) {
	t.Parallel()
	p := &project{plugtest.Copy(t, "../..")}
	p.adopt("example.org/acme/shop")

	p.Must("go build -o service .") // whoever adds a plugin has built the project before
	p.inAMinute()

	made := p.walk("docs/writing-a-plugin.md")
	for _, args := range []string{
		"orders/hash_order --kind cpu", "s/make_it", "s/list_all --kind list --path /s", "orders/list_orders --kind list --path /orders",
		"inventories/list_inventories --kind list", "products/list_again --kind list", "orders/receive_order --kind raw --path /orders/:id/file", "s/stock_of --kind responder",
	} {
		require.Contains(t, p.Must("go tool plug new --no-docs "+args), "Now run: make docs\n")
		made = append(made, strings.Fields(args)[0])
	}
	p.Fails("go tool plug new products/archive_product", "is there already")
	p.Fails("go tool plug new values/create_value", "a word of SQL")
	p.Fails("go tool plug new s/price_again --kind responder --topic price.of", "domains/shopping/plugins/price_of.go answers price.of already")
	p.Fails("go tool plug new s/tell_paid --kind subscriber --topic order.sold", "nobody publishes order.sold", "give --ahead")
	p.Must("make docs")
	p.Must("make docs/check")
	p.Must("go vet ./domains/...")
	p.Must("go test -vet=off -run ^TestRules$ .") // among them lint
	p.testPlugins(append(made, "orders/place_order"))
	p.breakRules()
}

// adopt renames the module of the copy, after which each of its modules still builds and none names the old path.
func (p *project) adopt(to string) {
	t := p.T
	old := regexp.MustCompile(`(?m)^module (\S+)$`).FindStringSubmatch(p.Read("go.mod"))[1]
	p.Must("go tool plug adopt " + to)
	left := regexp.MustCompile("(?m)(^|[\\s\"'`(=\\[])" + regexp.QuoteMeta(old) + `(/[a-z]|/?\$?$)`)
	modules := 0
	require.NoError(t, filepath.WalkDir(p.Dir, func(name string, entry fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(p.Dir, name)
		switch base := entry.Name(); {
		case err != nil || entry.IsDir():
			return err
		case base == "go.mod":
			if sources, _ := filepath.Glob(filepath.Join(filepath.Dir(name), "*.go")); len(sources) > 0 { // not a list of tools
				modules++
				p.Must("go vet -C " + filepath.Dir(name) + " ./...")
			}
			fallthrough
		case base == ".golangci.yml" || strings.HasSuffix(base, ".go") || strings.HasSuffix(base, ".go.txt"):
			for _, line := range left.FindAllString(p.Read(rel), -1) {
				require.Empty(t, line, rel)
			}
		}
		return nil
	}))
	require.Greater(t, modules, 4)
	p.Must("go mod tidy -diff")
	p.Must("go test -C docs/benchmarks -vet=off -run ^TestGeneratedProgramsCompile$ .")
}

var (
	fenced   = regexp.MustCompile("(?ms)^```(sh|go)( title=\"([^\"]+)\")?\n(.*?)^```$")
	listed   = regexp.MustCompile("Add `(plugins\\.\\w+,)` to the list in `([^`]+)`")
	fiveMins = regexp.MustCompile(`(?ms)^## One in five minutes$(.*?)^## `)
)

// walk does what the page says about making plugins, to the letter and in its order, and returns the plugins that it made.
func (p *project) walk(page string) (made []string) {
	t := p.T
	text := fiveMins.FindStringSubmatch(p.Read(page))
	require.NotNil(t, text, page)
	for _, m := range fenced.FindAllStringSubmatch(text[1], -1) {
		if name := m[3]; name != "" { // a file, by its title
			require.NoError(t, os.WriteFile(filepath.Join(p.Dir, name), []byte(m[4]), 0o600))
			if plugin := strings.TrimSuffix(path.Base(name), ".go"); !strings.HasSuffix(plugin, "_test") {
				made = append(made, path.Base(path.Dir(path.Dir(name)))+"/"+plugin)
			}
			continue
		}
		for line := range strings.Lines(m[4]) {
			line, _, _ = strings.Cut(line, " #")
			line = strings.TrimSpace(line)
			p.Must(line)
			if name, ok := strings.CutPrefix(strings.Replace(line, " --no-docs", "", 1), "go tool plug new "); ok {
				made = append(made, strings.Fields(name)[0])
			}
		}
	}
	for _, m := range listed.FindAllStringSubmatch(text[1], -1) {
		list, ends := strings.CutSuffix(p.Read(m[2]), "\n)\n")
		require.True(t, ends, m[2])
		require.NoError(t, os.WriteFile(filepath.Join(p.Dir, m[2]), []byte(list+"\n\t"+m[1]+"\n)\n"), 0o600))
	}
	require.Greater(t, len(made), len(scaffold.Kinds()))
	return made
}

// testPlugins runs the tests of plugins, each of which has one of its name.
func (p *project) testPlugins(names []string) {
	t := p.T
	packages := map[string]bool{}
	var tests []string
	for _, name := range names {
		domain, plugin, _ := strings.Cut(name, "/")
		packages["./domains/"+domain+"/plugins"] = true
		tests = append(tests, "Test"+lint.Exported(plugin))
	}
	output := p.Must("go test -vet=off -v -run ^(" + strings.Join(tests, "|") + ")" + " " + strings.Join(slices.Sorted(maps.Keys(packages)), " "))
	for _, test := range tests {
		require.Contains(t, output, "--- PASS: "+test+" ")
	}
}

// inAMinute goes from nothing to an answer. What is held against the minute is the time that the commands take of one
// processor, which does not depend on what else the machine does.
func (p *project) inAMinute() {
	t := p.T
	p.CPU = 0
	begin := time.Now()
	p.Must("go tool plug new orders/place_order --path /orders/:id/place --method put --access public")
	p.Must("go build -o service .")
	address, end := p.serve()
	status, answer := request(t, http.MethodPut, address+"/orders/7/place", `{"name":"Desk lamp"}`)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"success":true,"data":{"name":"Desk lamp"},"error":null}`, answer)
	status, _ = request(t, http.MethodPut, address+"/orders/0/place", `{}`)
	require.Equal(t, http.StatusUnprocessableEntity, status)
	_, description := request(t, http.MethodGet, address+"/openapi.json", "")
	for _, want := range []string{`"/orders/{id}/place"`, `"orders.place_order"`, "PlaceOrderRequest"} {
		require.Contains(t, description, want)
	}
	took := time.Since(begin)
	end()
	t.Logf("from nothing to a documented answer: %.1f s, in which the commands took %.1f s of one processor", took.Seconds(), p.CPU.Seconds())
	require.Less(t, p.CPU, time.Minute)
}

var readyAt = regexp.MustCompile(`"message":"ready","address":"([^"]+)"`)

// serve starts the service on a free port and a new database, and returns its address and what ends it.
func (p *project) serve() (address string, end func()) {
	t := p.T
	cmd := p.Command(t.Context(), "./service", "serve")
	cmd.Env = append(cmd.Env, "APP_ENV=production", "APP_MAIL_HOST=127.0.0.1", "APP_MAIL_FROM=test@example.org", "APP_MAIL_TLS=off", "APP_HTTP_DOCS=on", "APP_OPS_ADDR=off", "APP_HTTP_ADDR=127.0.0.1:0", "APP_DATABASE_URL=sqlite:"+t.TempDir()+"/minute.db")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	output, err := cmd.StderrPipe()
	require.NoError(t, err)
	cmd.Stdout = cmd.Stderr
	require.NoError(t, cmd.Start())
	var log strings.Builder
	for lines := bufio.NewScanner(output); address == "" && lines.Scan(); {
		log.WriteString(lines.Text() + "\n")
		if m := readyAt.FindStringSubmatch(lines.Text()); m != nil {
			address = m[1]
		}
	}
	require.NotEmpty(t, address, log.String())
	return address, func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		_, err := io.Copy(io.Discard, output)
		require.NoError(t, err)
		require.NoError(t, cmd.Wait())
	}
}

func request(t *testing.T, method, url, body string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := (&http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(text)
}

// breakRules plants what must not be, in what was made, and sees it found.
func (p *project) breakRules() {
	p.Replace("domains/orders/plugins/place_order.go", "\tapp.Logger", "\tgo app.Logger(ctx, p.logger).Sync() //nolint:errcheck // planted\n\tapp.Logger")
	p.Replace("domains/orders/plugins/hash_order.go", `"example.org/acme/shop/app"`, "\"example.org/acme/shop/app\"\n\t_ \"example.org/acme/shop/domains/products\"")
	p.Replace("domains/shopping/plugins/note_product.go", `"product.created" }`, `"product.gone" }`)
	p.Fails("go tool plug lint",
		"domains/orders/plugins/place_order.go:", "nobody stops this goroutine",
		"domains/orders/plugins/hash_order.go:", "a domain never imports another",
		"shopping.note_product subscribes to product.gone, which nobody publishes",
		"broken in 3 places")
	p.Replace("domains/orders/plugins/hash_order.go", "\t_ \"example.org/acme/shop/domains/products\"\n", "")
	p.Replace("domains/shopping/plugins/note_product.go", `"product.gone" }`, `"product.created" }`)
	p.Replace("domains/orders/plugins/place_order.go", `app.Tags("Orders")`, `app.Tags("Orders"), app.Fails(app.NotFound)`)
	p.Fails("make docs/check", "domains/orders/plugins/place_order.go are stale")
	p.Replace("domains/orders/plugins/list_orders.go", "\n}\n\n// ListOrdersData", "\n\tCode []byte `json:\"code\"`\n}\n\n// ListOrdersData")
	p.Fails("make docs", "plugin orders.list_orders (domains/orders/plugins/list_orders.go:",
		"docs/swagger.json is wrong about the member code of an element of the member items of the answer's data: it is string, not array", "swaggertype")
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, want string }{
		{"", "there is no command to carry out"},
		{"make", `there is no command "go tool plug make"`},
		{"lintt", `"go tool plug lint" is near`},
		{"new", "new takes the plugin's name"},
		{"new a/b c/d", "new takes the plugin's name"},
		{"new --colour red a/b", `"go tool plug new" has no flag --colour`},
		{"new a/b --kind stream", `there is no kind "stream"`},
		{"new a/b --kind schedule --path /x", "--path is for --kind endpoint, list, cpu or raw, not for schedule"},
		{"adopt", "adopt takes the new path of the module"},
		{"annotate force", `"go tool plug annotate" takes no arguments`},
		{"docs --check --old x", "none of the others can be"},
		{"lint ./nothing/...", "pattern ./nothing/..."},
	} {
		output, err := plug(t.Context(), strings.Fields(c.args)...)
		require.Error(t, err, c.args)
		require.Contains(t, output, c.want)
	}
	for _, help := range []string{"help", "--help", "new --help", "docs --help"} {
		output, err := plug(t.Context(), strings.Fields(help)...)
		require.NoError(t, err, help)
		require.Contains(t, output, "Usage:\n  go tool plug", help)
	}
	output, err := plug(t.Context(), "new", "--help")
	require.NoError(t, err)
	for _, k := range scaffold.Kinds() {
		require.Regexp(t, `(?m)^  `+k.Name+` +`+regexp.QuoteMeta(k.Help)+`$`, output)
	}
}

// plug runs the command; the go command keeps what it has built of it.
func plug(ctx context.Context, args ...string) (string, error) {
	output, err := exec.CommandContext(ctx, "go", append([]string{"tool", "plug"}, args...)...).CombinedOutput()
	return string(output), err
}
