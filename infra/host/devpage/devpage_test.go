package devpage_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/infra/host/devpage"
)

func request(method string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, "/products", http.NoBody)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

const browsers = "text/html,application/xhtml+xml,*/*;q=0.8"

// A person who looks at the service in a browser sees the page; the programs of the page, and others, do not.
func TestNavigations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		r    *http.Request
		want bool
	}{
		{request(http.MethodGet, "Sec-Fetch-Dest", "document", "Sec-Fetch-Mode", "navigate", "Accept", browsers), true},
		{request(http.MethodGet, "Sec-Fetch-Dest", "empty", "Accept", browsers), false},
		{request(http.MethodGet, "Sec-Fetch-Site", "same-origin", "Accept", browsers), false},
		{request(http.MethodGet, "Accept", browsers), true},
		{request(http.MethodHead, "Accept", browsers), true},
		{request(http.MethodGet, "Accept", "*/*"), false},
		{request(http.MethodGet), false},
		{request(http.MethodPost, "Sec-Fetch-Dest", "document", "Accept", browsers), false},
	} {
		require.Equal(t, c.want, devpage.IsNavigation(c.r), "%s %v", c.r.Method, c.r.Header)
	}
}

func TestThePageIsShownWhileThereIsAProblem(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "status")
	answer := devpage.Answer(file)
	ask := func(r *http.Request) (*httptest.ResponseRecorder, bool) {
		w := httptest.NewRecorder()
		answered, err := answer(w, r)
		require.NoError(t, err)
		return w, answered
	}
	navigation := request(http.MethodGet, "Accept", browsers)
	_, answered := ask(navigation)
	require.False(t, answered, "there is no file")

	require.NoError(t, os.WriteFile(file, []byte("./a.go:1:2: undefined: <script>alert(1)</script> & more"), 0o600))
	w, answered := ask(navigation)
	require.True(t, answered)
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	require.Regexp(t, `^default-src 'none'; style-src 'sha256-[\w+/]+='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$`,
		w.Header().Get("Content-Security-Policy"))
	require.Contains(t, w.Body.String(), "<pre>./a.go:1:2: undefined: &lt;script&gt;alert(1)&lt;/script&gt; &amp; more</pre>")
	require.Contains(t, w.Body.String(), `<meta http-equiv="refresh" content="1">`)
	_, answered = ask(request(http.MethodGet, "Accept", "*/*"))
	require.False(t, answered, "a program is served as ever")

	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, answered = ask(navigation)
	require.False(t, answered)
}

func TestFile(t *testing.T) {
	t.Parallel()
	require.Empty(t, devpage.File([]string{"PATH=/bin", "PLUG_DEV_STATUS_NOT=x"}))
	require.Equal(t, "b", devpage.File([]string{"PLUG_DEV_STATUS=a", "PLUG_DEV_STATUS=b"}))
}
