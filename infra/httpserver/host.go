package httpserver

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	swaggerui "github.com/swaggest/swgui/v5/static"
	"go.uber.org/zap"

	"plugboard/app"
)

// probeTimeout is how long /readyz waits for the readiness probe.
const probeTimeout = 2 * time.Second

// reservedPaths are the paths that the host serves itself, some of them only with certain settings.
func reservedPaths() []string {
	return []string{"/livez", "/readyz", "/openapi.json", "/openapi-3.0.json", "/docs", "/docs/*file"}
}

// mountHost puts the host's own routes on the router.
func (s *Server) mountHost(p Params) {
	s.mountOwn("/livez", func(x *exchange, _ *gin.Context) { x.livez() })
	s.mountOwn("/readyz", func(x *exchange, _ *gin.Context) { x.readyz() })
	if !p.HTTP.ShowsDocs(p.App) || p.Spec == nil {
		return
	}
	s.documents = func() Documents { return Documents{OpenAPI: p.Spec()} }
	s.mountOwn("/openapi.json", func(x *exchange, _ *gin.Context) { x.sendText("application/json", s.documents().OpenAPI) })
	s.mountOwn("/openapi-3.0.json", func(x *exchange, _ *gin.Context) {
		if text := s.documents().OpenAPI30; text != "" {
			x.sendText("application/json", text)
			return
		}
		x.fail(x, errNotFound())
	})
	s.mountOwn("/docs", func(x *exchange, _ *gin.Context) {
		x.Header().Set("Location", "docs/") // relative: a proxy may put a prefix before it
		x.sendEmpty(http.StatusMovedPermanently)
	})
	s.mountOwn("/docs/*file", s.docs)
}

// Documents are the descriptions of the API that the server shows.
type Documents struct {
	// OpenAPI is the document in version 3.1; OpenAPI30 says the same in version 3.0, and is not served when it is "".
	OpenAPI, OpenAPI30 string
}

// ServeDocuments has the server show what read returns, instead of the document that it was made with. A server that was made without
// a document, or whose settings turn the documents off, still shows none. Read is called for each request and concurrently. Call
// ServeDocuments before [Server.Serve].
func (s *Server) ServeDocuments(read func() Documents) { s.documents = read }

// mountOwn serves GET and HEAD at path.
func (s *Server) mountOwn(at string, h func(*exchange, *gin.Context)) {
	own := &route{path: at, method: http.MethodGet, metrics: s.metrics}
	handler := func(c *gin.Context) {
		x := exchangeOf(c)
		x.enter(own, c)
		h(x, c)
	}
	s.engine.GET(at, handler)
	s.engine.HEAD(at, handler)
}

// state is the answer of the probes.
type state struct {
	Status string `json:"status"`
}

// livez answers that the process runs.
func (x *exchange) livez() { x.succeed(http.StatusOK, state{"alive"}, x.server.encoding) }

// readyz answers whether the service is ready for requests: it has started, its probe passes, and it is not stopping.
func (x *exchange) readyz() {
	if err := x.server.readiness(x.request.Context()); err != nil {
		x.logger().Debug("not ready", zap.Error(err))
		x.write(x, failure{status: http.StatusServiceUnavailable, code: app.Unavailable, message: notReady(err), retry: time.Second})
		return
	}
	x.succeed(http.StatusOK, state{"ready"}, x.server.encoding)
}

// readyGauge is the value of the metric plugboard_ready.
func (s *Server) readyGauge() float64 {
	if s.readiness(context.Background()) != nil {
		return 0
	}
	return 1
}

// notReady tells callers why the service is not ready. Of an error that is not meant for callers it tells nothing.
func notReady(err error) string {
	if known, ok := errors.AsType[*app.Error](err); ok {
		return "not ready: " + known.Message
	}
	return "not ready"
}

// readiness returns why the service is not ready, nil when it is.
func (s *Server) readiness(ctx context.Context) error {
	probe := s.ready.Load()
	switch {
	case s.draining.Load():
		return errDraining
	case probe == nil:
		return fmt.Errorf("check readiness: the service has not started")
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return (*probe)(ctx)
}

// The page at /docs is Swagger UI from the binary. It loads nothing from elsewhere.
const (
	docsPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API</title>
<link rel="stylesheet" href="swagger-ui.css">
<link rel="stylesheet" href="page.css">
<link rel="icon" type="image/png" href="favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="swagger-ui-bundle.js"></script>
<script src="init.js"></script>
</body>
</html>
`
	docsScript = `window.addEventListener("load", function () {
  window.ui = SwaggerUIBundle({
    url: "../openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    validatorUrl: null,
    defaultModelExpandDepth: 5,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    presets: [SwaggerUIBundle.presets.apis],
  });
});
`
	docsStyle  = "html { box-sizing: border-box; overflow-y: scroll }\n*, *::before, *::after { box-sizing: inherit }\nbody { margin: 0; background: #fafafa }\n"
	docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// docs serves the page at /docs/ and its assets.
func (s *Server) docs(x *exchange, c *gin.Context) {
	x.Header().Set("Content-Security-Policy", docsPolicy)
	x.Header().Set("Referrer-Policy", "no-referrer")
	x.Header().Set("Cache-Control", "no-cache")
	switch name := strings.TrimPrefix(c.Param("file"), "/"); name {
	case "":
		x.sendText("text/html; charset=utf-8", docsPage)
	case "init.js":
		x.sendText("text/javascript; charset=utf-8", docsScript)
	case "page.css":
		x.sendText("text/css; charset=utf-8", docsStyle)
	case "swagger-ui.css":
		s.asset(x, name, "text/css; charset=utf-8")
	case "swagger-ui-bundle.js":
		s.asset(x, name, "text/javascript; charset=utf-8")
	case "favicon-16x16.png", "favicon-32x32.png":
		s.asset(x, name, "image/png")
	default:
		x.fail(x, errNotFound())
	}
}

// asset serves a file of Swagger UI. The binary has these compressed, except pictures.
func (s *Server) asset(x *exchange, name, contentType string) {
	packed, err := swaggerui.FS.ReadFile(name + ".gz")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		packed, err = swaggerui.FS.ReadFile(name)
	case err == nil:
		x.Header().Set("Vary", "Accept-Encoding")
		if acceptsGzip(x.request.Header) {
			x.Header().Set("Content-Encoding", "gzip")
		} else {
			packed, err = unpack(packed)
		}
	}
	if err != nil {
		x.clearHeader()
		x.fail(x, fmt.Errorf("read asset %s: %w", name, err))
		return
	}
	x.Header().Set("Content-Type", contentType)
	x.sendBytes(http.StatusOK, packed)
}

// acceptsGzip reports whether a request takes an answer in gzip, by RFC 9110, section 12.5.3: with a weight of 0 it does not.
func acceptsGzip(h http.Header) bool {
	for _, line := range h.Values("Accept-Encoding") {
		for part := range strings.SplitSeq(line, ",") {
			coding, weight, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
				q, found := strings.CutPrefix(strings.TrimSpace(weight), "q=")
				return !found || strings.Trim(q, "0.") != ""
			}
		}
	}
	return false
}

// unpack decompresses gzip.
func unpack(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// sendText sends a body that is not in the envelope.
func (x *exchange) sendText(contentType, body string) {
	x.Header().Set("Content-Type", contentType)
	x.sendBytes(http.StatusOK, []byte(body))
}
