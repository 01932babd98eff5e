package httpserver

import (
	"net/http"
	"time"

	"plugboard/app"
)

// How much memory a request takes, in that of its body. docs/adr/0024 has the figures.
const (
	// jsonFactor is for a JSON body and what is decoded out of it. A list of small numbers takes most.
	jsonFactor = 8
	// formFactor is for a form and the copies of its parts.
	formFactor = 2
)

// memoryFactor returns how many times its body a request of the plan takes.
func (p *binder) memoryFactor() int64 {
	if p.json != nil {
		return jsonFactor
	}
	return formFactor
}

// isTooMany reports whether the request is beyond a limit, and answers it then. The probes are never too many.
func (x *exchange) isTooMany(active int64) bool {
	s := x.server
	limit := int64(s.config.MaxInFlight)
	var counter interface{ Inc() }
	switch {
	case limit > 0 && active > limit:
		counter = s.metrics.tooMany
	case s.conns.spares.Load() > 0 && x.isSpare():
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

// isSpare reports whether the request came by a connection beyond the limit.
func (x *exchange) isSpare() bool {
	c := connOf(x.request)
	return c != nil && c.spare
}
