package httpserver

import (
	"errors"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugboard/infra/telemetry"
)

// metrics are the server's Prometheus collectors.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	// tooMany and spare count the requests that were refused because of the two limits.
	tooMany, spare prometheus.Counter
}

// newMetrics makes the collectors and registers them with r, which may be nil.
func newMetrics(r prometheus.Registerer, s *Server) (*metrics, error) {
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "plugboard_http_requests_refused_total", Help: "Requests refused because too many were in flight (in_flight), or because their connection was beyond the limit (connections).",
	}, []string{"reason"})
	m := &metrics{
		tooMany: refused.WithLabelValues("in_flight"), spare: refused.WithLabelValues("connections"),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plugboard_http_requests_total", Help: "Finished requests by method, route and status; those whose answer broke off count too.",
		}, []string{"method", "route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "plugboard_http_request_duration_seconds", Help: "Time from a request's head to the end of its answer, by method and route.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"method", "route"}),
	}
	if r == nil {
		return m, nil
	}
	var errs []error
	for _, c := range append(s.collectors(), m.requests, m.duration, refused) {
		errs = append(errs, r.Register(c))
	}
	return m, errors.Join(errs...)
}

// collectors are the metrics whose values the server has.
func (s *Server) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "plugboard_http_requests_in_flight", Help: "Requests being handled.",
		}, func() float64 { return float64(s.active.count.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "plugboard_ready", Help: "1 while the service is ready as /readyz has it, else 0.",
		}, s.readyGauge),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "plugboard_http_connections", Help: "Open connections.",
		}, func() float64 { return float64(s.conns.Open()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "plugboard_http_connections_refused_total", Help: "Connections closed because there were too many: new ones, and idle ones to make room.",
		}, func() float64 { return float64(s.conns.Refused()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "plugboard_http_heads_refused_total", Help: "Connections closed on a request head that was malformed, too large, incomplete or too slow.",
		}, func() float64 { return float64(s.conns.Heads()) }),
	}
}

// route is the route under which requests are counted and logged. It keeps the time series of its own method, which are expensive to
// look up.
type route struct {
	path    string
	plugin  string
	metrics *metrics
	// method is the method whose time series are kept; those of others are looked up each time.
	method   string
	statuses atomic.Pointer[[]statusCount] // replaced, never changed
	duration atomic.Pointer[prometheus.Observer]
}

// statusCount is the counter of one status of a route.
type statusCount struct {
	status  int
	counter prometheus.Counter
}

// observe counts one request.
func (t *route) observe(method string, status int, took time.Duration) {
	if method != t.method {
		method = telemetry.Method(method)
		t.metrics.requests.WithLabelValues(method, t.path, strconv.Itoa(status)).Inc()
		t.metrics.duration.WithLabelValues(method, t.path).Observe(took.Seconds())
		return
	}
	t.counter(status).Inc()
	observer := t.duration.Load()
	if observer == nil {
		o := t.metrics.duration.WithLabelValues(method, t.path)
		observer = &o
		t.duration.Store(observer)
	}
	(*observer).Observe(took.Seconds())
}

// counter returns the counter of status for the route's own method.
func (t *route) counter(status int) prometheus.Counter {
	var known []statusCount
	if list := t.statuses.Load(); list != nil {
		known = *list
	}
	for _, c := range known {
		if c.status == status {
			return c.counter
		}
	}
	c := t.metrics.requests.WithLabelValues(t.method, t.path, strconv.Itoa(status))
	grown := append(slices.Clone(known), statusCount{status, c})
	t.statuses.Store(&grown)
	return c
}
