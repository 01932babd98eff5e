// Package devpage shows a developer in the browser why the newest version of the service does not run.
//
// "go tool plug dev" goes on with the last version that works while the sources are broken, and writes what is wrong into a status file.
// The service shows a browser's user that text in the place of a page; programs get the answers of the version that runs. The file is
// for development alone.
package devpage

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"os"
	"slices"
	"strings"
)

// Variable is the environment variable that names the status file. The file is empty or absent while nothing is wrong.
const Variable = "PLUG_DEV_STATUS"

// File returns the status file that environ, as in os.Environ, names, and "" when it names none. The last entry counts.
func File(environ []string) string {
	for _, entry := range slices.Backward(environ) {
		if file, ok := strings.CutPrefix(entry, Variable+"="); ok {
			return file
		}
	}
	return ""
}

// Answer returns a function that answers navigations with the page of the text in file, as long as there is one, and leaves other
// requests alone. It never returns an error. It is safe for concurrent use.
func Answer(file string) func(http.ResponseWriter, *http.Request) (answered bool, err error) {
	return func(w http.ResponseWriter, r *http.Request) (bool, error) {
		if !IsNavigation(r) {
			return false, nil
		}
		text, _ := os.ReadFile(file) //nolint:gosec // plug dev names it; what cannot be read is no reason to show nothing of the service
		if len(text) == 0 {
			return false, nil
		}
		Write(w, string(text))
		return true, nil
	}
}

// IsNavigation reports whether a person's browser asks for a page. The data of a form is not given up for the page: a POST is none.
func IsNavigation(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "Sec-Fetch-") {
			return r.Header.Get("Sec-Fetch-Dest") == "document"
		}
	}
	return strings.Contains(strings.Join(r.Header["Accept"], ","), "text/html")
}

const style = "body{margin:2rem;font-family:sans-serif;background:#fff;color:#222}" +
	"pre{padding:1rem;overflow:auto;white-space:pre-wrap;background:#f3f3f3;border-left:4px solid #c00}"

// page has room for the text. It loads itself anew each second.
const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="1">
<title>The service has a problem</title>
<style>%s</style>
</head>
<body>
<h1>The newest version does not run</h1>
<pre>%s</pre>
<p>This page is shown in development. It goes away by itself when the problem is solved.</p>
</body>
</html>
`

// Write answers with a page that shows text, which may hold anything.
func Write(w http.ResponseWriter, text string) {
	hash := sha256.Sum256([]byte(style))
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(hash[:])+
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = fmt.Fprintf(w, page, style, html.EscapeString(text)) // the client may have left
}
