package clients_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// screenshotsVariable names the variable of the environment that says into which folder pictures of pages are put.
const screenshotsVariable = "TEST_SCREENSHOTS"

// stepTimeout is how long one step in the browser may take; it begins with the browser's start on a busy machine.
const stepTimeout = time.Minute

// tab is a page in a browser, with what was noticed while it was used.
type tab struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // chromedp's handle of the page

	mu       sync.Mutex
	requests []string
	problems []string
}

// openTab starts Chromium without a window, with further options, until the test ends. Where there is none the test is
// skipped.
func openTab(t *testing.T, further ...chromedp.ExecAllocatorOption) *tab {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(cancel)
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(chromium(t)), chromedp.WindowSize(1280, 1000), chromedp.UserDataDir(t.TempDir()))
	options = append(options, further...)
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium has no sandbox for root
	}
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	return newTab(t, ctx)
}

// another opens one more tab of the same browser, until the test ends.
func (p *tab) another() *tab {
	p.t.Helper()
	return newTab(p.t, p.ctx)
}

// newTab opens a tab in the browser that ctx has, or is to start.
func newTab(t *testing.T, ctx context.Context) *tab { //nolint:revive // t comes first in helpers of tests
	t.Helper()
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(end)
	p := &tab{t: t, ctx: ctx}
	require.NoError(t, chromedp.Listen(ctx, p.note), "open a tab of Chromium")
	call(p, network.Enable, network.EnableParams{})
	call(p, log.Enable, cdp.Empty{})
	return p
}

// chromium returns the browser's binary.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			return found
		}
	}
	t.Skip("WHAT A BROWSER SEES IS NOT CHECKED: there is no Chromium; install it (Debian: apt-get install chromium)")
	return ""
}

// note is called with all that happens in the page.
func (p *tab) note(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	problem := func(format string, args ...any) { p.problems = append(p.problems, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	case *network.EventLoadingFailed:
		problem("a request failed: %s %s", e.ErrorText, e.BlockedReason)
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			problem("a request was answered %d: %s", e.Response.Status, e.Response.URL)
		}
	case *runtime.EventExceptionThrown:
		problem("an exception was thrown: %s", e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			problem("the console says: %s %s", e.Type, e.Args[0].Value)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			problem("the browser says: %s %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
		}
	}
}

// noticed returns the requests that left for elsewhere than origin, and all that went wrong.
func (p *tab) noticed(origin string) (requests int, problems []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	problems = slices.Clone(p.problems)
	for _, url := range p.requests {
		switch {
		case strings.HasPrefix(url, origin+"/"):
			requests++
		case !strings.HasPrefix(url, "data:"):
			problems = append(problems, "a request left for elsewhere: "+url)
		}
	}
	return requests, problems
}

func call[P, R any](p *tab, command cdp.Command[P, R], params P) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, command, params)
	require.NoError(p.t, err)
}

// do takes one step, and takes a picture where it fails.
func do[T any](p *tab, what string, action chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, stepTimeout)
	defer cancel()
	result, err := chromedp.Run(ctx, action)
	if err != nil {
		p.shoot("failed", "body")
	}
	require.NoError(p.t, err, what)
	return result
}

func (p *tab) open(url string) { p.t.Helper(); do(p, "open "+url, chromedp.Navigate(url)) }

// click waits until the element is visible, and clicks it.
func (p *tab) click(selector string) {
	p.t.Helper()
	do(p, "click "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// await waits until the element is visible.
func (p *tab) await(selector string) {
	p.t.Helper()
	do(p, "wait for "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
}

// text waits until the element is visible and returns what it shows, with single spaces.
func (p *tab) text(selector string) string {
	p.t.Helper()
	p.await(selector)
	return strings.Join(p.texts(selector), " ")
}

// texts returns what the elements show that there are now.
func (p *tab) texts(selector string) []string {
	p.t.Helper()
	script := fmt.Sprintf(`[...document.querySelectorAll(%q)].map(e => e.innerText.replace(/\s+/g, " ").trim())`, selector)
	return do(p, "read "+selector, chromedp.Evaluate[[]string](script))
}

// shoot takes a picture of what is seen of the page, beginning at the element, where the environment asks for pictures.
func (p *tab) shoot(name, selector string) {
	p.t.Helper()
	folder := os.Getenv(screenshotsVariable)
	if folder == "" {
		return
	}
	script := fmt.Sprintf(`document.querySelector(%q)?.scrollIntoView()`, selector)
	_, err := chromedp.Run(p.ctx, chromedp.Evaluate[any](script))
	require.NoError(p.t, err)
	picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	require.NoError(p.t, err)
	require.NoError(p.t, os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o600))
}
