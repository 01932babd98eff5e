package telemetry_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"plugboard/infra/telemetry"
)

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

// Two plugins may have metrics of one name. What a plugin cannot have is told in plain words.
func TestMetricsOfPlugins(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	one, two := telemetry.ForPlugin(registry, "shop.one"), telemetry.ForPlugin(registry, "shop.two")
	require.NoError(t, one.Register(counter("orders_total", "Orders.", "kind")))
	require.NoError(t, two.Register(counter("orders_total", "Orders.", "kind")))
	for want, c := range map[string]prometheus.Collector{
		"metric plugboard_x: names that begin with plugboard_ are the host's; choose another":            counter("plugboard_x", "X."),
		"metric go_x: names that begin with go_ are the host's; choose another":                          counter("go_x", "X."),
		"metric orders_total: the plugin has registered it before; register it once, in the constructor": counter("orders_total", "Orders.", "kind"),
		"a metric to be registered is nil":                                                               nil,
	} {
		require.EqualError(t, one.Register(c), want)
	}
	err := one.Register(counter("orders_total", "Other.", "kind"))
	require.ErrorContains(t, err, "metric orders_total: ")
	require.NotContains(t, err.Error(), "Desc{")
	err = one.Register(counter("bad", "Bad.", "plugin"))
	require.ErrorContains(t, err, "metric bad: ")
	require.NotContains(t, err.Error(), "Desc{")
	require.PanicsWithValue(t, "metric process_x: names that begin with process_ are the host's; choose another", func() {
		one.MustRegister(counter("process_x", "X."))
	})
}
