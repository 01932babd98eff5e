package httpserver

import (
	"net/http"
	"time"

	"plugboard/app"
	"plugboard/infra/httpserver/internal/socket"
)

// isTooMany reports whether the request is beyond a limit, and answers it then. The probes are never too many.
func (x *exchange) isTooMany(active int64) bool {
	s := x.server
	limit := int64(s.config.MaxInFlight)
	var counter interface{ Inc() }
	switch {
	case limit > 0 && active > limit:
		counter = s.metrics.tooMany
	case s.conns.HasSpares() && socket.Of(x.request).IsSpare():
		x.closeAfter()
		counter = s.metrics.spare
	default:
		return false
	}
	if isProbe(x.request.URL.Path) {
		return false
	}
	counter.Inc()
	x.write(x, failure{
		status: http.StatusServiceUnavailable, code: app.Unavailable, message: "too many requests at once, try again later", retry: time.Second,
	})
	return true
}
