package eventbus

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type meters struct {
	published *prometheus.CounterVec
	handled   *durations
	dead      *prometheus.CounterVec
	dropped   *prometheus.CounterVec
	scheduled *prometheus.CounterVec
}

func newMeters(r prometheus.Registerer, g *gauges) (*meters, error) {
	m := &meters{
		published: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plugboard_events_published_total", Help: "Events published, by topic. Those of rolled back transactions count too.",
		}, []string{"topic"}),
		handled: &durations{desc: prometheus.NewDesc("plugboard_events_handled_seconds",
			"Runs of event handlers, by subscription and outcome.", []string{"subscription", "outcome"}, nil)},
		dead: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plugboard_events_died_total", Help: "Deliveries that became dead, by subscription.",
		}, []string{"subscription"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plugboard_events_dropped_total", Help: "Volatile events dropped because the subscription had no room.",
		}, []string{"subscription"}),
		scheduled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plugboard_schedule_times_total",
			Help: "Times of schedules that came, by outcome: published by this process, or skipped since the last run was not done.",
		}, []string{"schedule", "outcome"}),
	}
	if r == nil {
		return m, nil
	}
	return m, errors.Join(r.Register(m.published), r.Register(m.handled), r.Register(m.dead), r.Register(m.dropped), r.Register(m.scheduled), r.Register(g))
}
