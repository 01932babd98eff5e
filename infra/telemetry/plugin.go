package telemetry

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// ForPlugin returns a registerer for the metrics of one plugin. Each gets the label plugin with the plugin's name, so that two plugins may
// have metrics of one name, if these have the same other labels and the same help. Names that begin like those of the host
// or of the client library are refused. Errors name the metric and say what to do; MustRegister panics with them.
func ForPlugin(r prometheus.Registerer, plugin string) prometheus.Registerer {
	return &pluginRegisterer{Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"plugin": plugin}, r)}
}

type pluginRegisterer struct{ prometheus.Registerer }

// Register implements prometheus.Registerer.
func (r *pluginRegisterer) Register(c prometheus.Collector) error {
	if c == nil {
		return errors.New("a metric to be registered is nil")
	}
	names := namesOf(c)
	for _, name := range names {
		for _, prefix := range []string{"plugboard_", "go_", "process_", "promhttp_"} {
			if strings.HasPrefix(name, prefix) {
				return fmt.Errorf("metric %s: names that begin with %s are the host's; choose another", name, prefix)
			}
		}
	}
	err := r.Registerer.Register(c)
	if err == nil {
		return nil
	}
	if _, twice := errors.AsType[prometheus.AlreadyRegisteredError](err); twice {
		return fmt.Errorf("metric %s: the plugin has registered it before; register it once, in the constructor", strings.Join(names, ", "))
	}
	return fmt.Errorf("metric %s: %s", strings.Join(names, ", "), descriptor.ReplaceAllString(err.Error(), "$1"))
}

// MustRegister implements prometheus.Registerer.
func (r *pluginRegisterer) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		if err := r.Register(c); err != nil {
			panic(err.Error())
		}
	}
}

// descriptor matches what the client library prints of a metric's descriptor, which exports nothing.
var descriptor = regexp.MustCompile(`(?:descriptor )?Desc\{fqName: "([^"]*)".*?\}\}?`)

// namesOf returns the names of the metrics of a collector.
func namesOf(c prometheus.Collector) []string {
	descriptors := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptors)
		c.Describe(descriptors)
	}()
	var names []string
	for d := range descriptors {
		if m := descriptor.FindStringSubmatch(d.String()); m != nil && !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	return names
}
