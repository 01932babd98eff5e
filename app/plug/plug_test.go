package main_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A team makes the project theirs by one command. From then on a plugin takes two more from nothing to its answer and
// its place in the documentation, in less than a minute and with no file edited by hand; what plug makes, of each kind,
// compiles and keeps all rules, and what breaks them is found.
//
// All of it happens in one copy, under another name, since every build of a copy costs.
func TestFromNothingToAnAnswerInAMinute(t *testing.T) {
	t.Parallel()
	p := copyOf(t)
	p.must("go tool plug adopt example.org/acme/shop")
	old, _ := p.run(`grep -rnE "plugboard/(app|config|docs|domains|infra)\b --include=*.go --include=*.md .`)
	require.Empty(t, old)

	p.must("go build -o service .") // whoever adds a plugin has built the project before
	p.inAMinute()

	p.must("go tool plug new products/archive_product")
	p.must("go tool plug new --kind cpu orders/hash_order")
	p.must("go tool plug new audit/note_sale --kind subscriber --topic product.created")
	p.must("go tool plug new audit/tidy_trail --kind schedule")
	p.must("go tool plug new s/make_it")
	p.must("go tool plug new s/list_all --kind list --path /s")
	p.must("go tool plug new orders/list_orders --kind list --path /orders")
	p.must("go tool plug new baskets/list_baskets --kind list")
	p.must("go tool plug new products/list_again --kind list")
	p.fails("go tool plug new products/archive_product", "is there already")
	p.fails("go tool plug new values/create_value", "a word of SQL")
	p.must("make docs")
	p.must("make docs/check")
	p.must("go tool plug lint ./...")
	p.must("go test -vet=off -run ^Test(ArchiveProduct|PlaceOrder|HashOrder|NoteSale|TidyTrail|MakeIt|ListAll|ListOrders|ListBaskets|ListAgain|Rules)" +
		" . ./domains/orders/plugins ./domains/products/plugins ./domains/audit/plugins ./domains/s/plugins ./domains/baskets/plugins")
	p.breakRules()
}

// inAMinute goes from nothing to an answer. What is held against the minute is the time that the commands take of one
// processor, which does not depend on what else the machine does.
func (p *project) inAMinute() {
	t := p.t
	p.cpu = 0
	begin := time.Now()
	p.must("go tool plug new orders/place_order --path /orders/:id/place --method put")
	p.must("make docs")
	p.must("go build -o service .")
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
	t.Logf("from nothing to a documented answer: %.1f s, in which the commands took %.1f s of one processor", took.Seconds(), p.cpu.Seconds())
	require.Less(t, p.cpu, time.Minute)
}

var readyAt = regexp.MustCompile(`"message":"ready","address":"([^"]+)"`)

// serve starts the service on a free port and a new database, and returns its address and what ends it.
func (p *project) serve() (address string, end func()) {
	t := p.t
	cmd := p.command("./service serve")
	cmd.Env = append(cmd.Env, "APP_ENV=production", "APP_HTTP_DOCS=on", "APP_OPS_ADDR=off", "APP_HTTP_ADDR=127.0.0.1:0", "APP_DATABASE_URL=sqlite:"+t.TempDir()+"/minute.db")
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
	p.replace("domains/orders/plugins/place_order.go", "\tapp.Logger", "\tgo app.Logger(ctx, p.logger).Sync() //nolint:errcheck // planted\n\tapp.Logger")
	p.replace("domains/orders/plugins/hash_order.go", `"example.org/acme/shop/app"`, "\"example.org/acme/shop/app\"\n\t_ \"example.org/acme/shop/domains/products\"")
	p.replace("domains/audit/plugins/note_sale.go", `"product.created" }`, `"product.gone" }`)
	p.fails("go tool plug lint",
		"domains/orders/plugins/place_order.go:", "nobody stops this goroutine",
		"domains/orders/plugins/hash_order.go:", "a domain never imports another",
		"audit.note_sale subscribes to product.gone, which nobody publishes",
		"broken in 3 places")
	p.replace("domains/orders/plugins/hash_order.go", "\t_ \"example.org/acme/shop/domains/products\"\n", "")
	p.replace("domains/audit/plugins/note_sale.go", `"product.gone" }`, `"product.created" }`)
	p.replace("domains/orders/plugins/place_order.go", `app.Tags("Orders")`, `app.Tags("Orders"), app.Fails(app.NotFound)`)
	p.fails("make docs/check", "domains/orders/plugins/place_order.go are stale")
	p.replace("domains/orders/plugins/list_orders.go", "\n}\n\n// ListOrdersData", "\n\tCode []byte `json:\"code\"`\n}\n\n// ListOrdersData")
	p.fails("make docs", "plugin orders.list_orders (domains/orders/plugins/list_orders.go:",
		"docs/swagger.json is wrong about the member code of an element of the member items of the answer's data: it is string, not array", "swaggertype")
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, want string }{
		{"", "there is no command to carry out"},
		{"make", `there is no command "go tool plug make"`},
		{"lnt", `"go tool plug lint" is near`},
		{"new", "new takes the plugin's name"},
		{"new a/b c/d", "new takes the plugin's name"},
		{"new --colour red a/b", `"go tool plug new" has no flag --colour`},
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
}

// plug runs the command; the go command keeps what it has built of it.
func plug(ctx context.Context, args ...string) (string, error) {
	output, err := exec.CommandContext(ctx, "go", append([]string{"tool", "plug"}, args...)...).CombinedOutput()
	return string(output), err
}
