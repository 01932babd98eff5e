package httpclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"

	"plugboard/infra/telemetry"
)

// metrics are the client's. The label target takes at most [mostTargets] values at a time.
type metrics struct {
	seconds *prometheus.HistogramVec
	retries prometheus.Counter
	refused *prometheus.CounterVec
	state   *prometheus.GaugeVec
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "plugboard_outgoing_seconds", Help: "Time from a call to another service to the head of its answer, retries included.",
			Buckets: []float64{.005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"target", "method", "outcome"}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{Name: "plugboard_outgoing_retries_total", Help: "Repeated calls to other services."}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plugboard_outgoing_refused_total", Help: "Calls and repetitions that were not made: breaker, budget, transaction.",
		}, []string{"reason"}),
		state: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "plugboard_outgoing_breaker", Help: "State of the breaker of a target: 0 closed, 1 half open, 2 open.",
		}, []string{"target"}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.seconds, m.retries, m.refused, m.state} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of the http client: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) refuse(reason string) { m.refused.WithLabelValues(reason).Inc() }

func (m *metrics) breaker(target string, state gobreaker.State) {
	m.state.WithLabelValues(target).Set(float64(state))
}

func (m *metrics) forget(target string) {
	m.state.DeleteLabelValues(target)
	m.seconds.DeletePartialMatch(prometheus.Labels{"target": target})
}

func (m *metrics) observe(target, method string, answer *http.Response, err error, took time.Duration) {
	const class = 100
	outcome := kindOf(err)
	if err == nil {
		outcome = strconv.Itoa(answer.StatusCode/class) + "xx"
	}
	m.seconds.WithLabelValues(target, telemetry.Method(cmp.Or(method, http.MethodGet)), outcome).Observe(took.Seconds())
}

// kindOf names the kind of a failure, without its text.
func kindOf(err error) string {
	var timeout interface{ Timeout() bool }
	switch _, open := errors.AsType[*OpenError](err); {
	case open:
		return "refused"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return "error"
}
