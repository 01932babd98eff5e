package main

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"plugboard/config"
	"plugboard/infra/host/application"
)

// alerts is the file of Prometheus's rules.
const alerts = "deployments/alerts.yaml"

var (
	describedMetric = regexp.MustCompile(`fqName: "([^"]+)".*constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`)
	namedMetric     = regexp.MustCompile(`\b((?:plugboard|database)_[a-z_]+)\b(\{[^}]*\})?`)
	namedLabel      = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
)

// registered returns the labels of every metric that the running service has, by its name.
func registered(t *testing.T) map[string][]string {
	t.Helper()
	cfg := config.Default()
	cfg.HTTP.Addr = "127.0.0.1:0"
	cfg.Database.URL = "sqlite:" + filepath.Join(t.TempDir(), "test.db")
	var gatherer prometheus.Gatherer
	silent := fx.Decorate(func(*zap.Logger) *zap.Logger { return zap.NewNop() })
	a, err := application.New(cfg, modules, application.With(fx.Populate(&gatherer), silent))
	require.NoError(t, err)
	registry, ok := gatherer.(*prometheus.Registry)
	require.True(t, ok)
	require.NoError(t, a.Start(t.Context()))
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		registry.Describe(descs)
	}()
	labels := map[string][]string{}
	for desc := range descs {
		found := describedMetric.FindStringSubmatch(desc.String())
		require.NotNil(t, found, desc.String())
		labels[found[1]] = strings.FieldsFunc(found[3], func(c rune) bool { return c == ',' })
		for _, constant := range namedLabel.FindAllStringSubmatch(found[2], -1) {
			labels[found[1]] = append(labels[found[1]], constant[1])
		}
	}
	require.NoError(t, a.Stop(t.Context()))
	return labels
}

// checkAlerts finds rules that are incomplete, or name a metric or a label that the service does not have.
func checkAlerts(t *testing.T, tree fs.FS, metrics map[string][]string) []string {
	t.Helper()
	page, err := yaml.Parser().Unmarshal([]byte(read(t, tree, alerts)))
	require.NoError(t, err)
	var problems []string
	for _, group := range listOf(page["groups"]) {
		for _, rule := range listOf(group["rules"]) {
			name := fmt.Sprint(rule["alert"])
			for _, key := range []string{"alert", "expr", "labels", "annotations"} {
				if rule[key] == nil {
					problems = append(problems, name+" has no "+key)
				}
			}
			for key := range rule {
				if !slices.Contains([]string{"alert", "expr", "for", "keep_firing_for", "labels", "annotations"}, key) {
					problems = append(problems, name+" has "+key+", which Prometheus does not know")
				}
			}
			expr := fmt.Sprint(rule["expr"])
			if strings.Count(expr, "(") != strings.Count(expr, ")") {
				problems = append(problems, name+" has parentheses that do not match")
			}
			problems = append(problems, checkExpr(name, expr, metrics)...)
		}
	}
	return problems
}

// checkExpr holds the names in one expression against the metrics.
func checkExpr(rule, expr string, metrics map[string][]string) (problems []string) {
	used := namedMetric.FindAllStringSubmatch(expr, -1)
	if len(used) == 0 {
		problems = append(problems, rule+" names no metric")
	}
	for _, m := range used {
		labels, known := metrics[m[1]]
		if !known {
			problems = append(problems, rule+" names "+m[1]+", which the service does not have")
			continue
		}
		for _, l := range namedLabel.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(labels, l[1]) {
				problems = append(problems, rule+" names the label "+l[1]+", which "+m[1]+" does not have")
			}
		}
	}
	for _, part := range strings.Split(expr, " by (")[1:] {
		group, rest, _ := strings.Cut(part, ")")
		metric := namedMetric.FindStringSubmatch(rest)
		if metric == nil {
			continue
		}
		for label := range strings.SplitSeq(group, ",") {
			label = strings.TrimSpace(label)
			if label != "job" && label != "instance" && !slices.Contains(metrics[metric[1]], label) {
				problems = append(problems, rule+" groups by "+label+", which "+metric[1]+" does not have")
			}
		}
	}
	return problems
}

// listOf returns a list of YAML whose items are sections.
func listOf(node any) []map[string]any {
	list, _ := node.([]any)
	var sections []map[string]any
	for _, item := range list {
		section, _ := item.(map[string]any)
		sections = append(sections, section)
	}
	return sections
}

// A rule that names a metric which does not exist never fires, and nobody learns of it.
func TestAlertsNameWhatTheServiceMeasures(t *testing.T) {
	t.Parallel()
	metrics := registered(t)
	require.Empty(t, checkAlerts(t, repository(), metrics))

	planted := fstest.MapFS{alerts: {Data: []byte(`
groups:
  - name: x
    rules:
      - {alert: A, expr: "plugboard_log_droped_total > 0", labels: {severity: page}, annotations: {summary: s}}
      - {alert: B, expr: "sum by (job, cause) (plugboard_log_dropped_total{why=\"full\"}) > 0", label: {}, annotations: {summary: s}}
      - {alert: C, expr: "(up == 0", labels: {severity: page}, annotations: {summary: s}}
`)}}
	require.ElementsMatch(t, []string{
		"A names plugboard_log_droped_total, which the service does not have",
		"B has no labels",
		"B has label, which Prometheus does not know",
		"B names the label why, which plugboard_log_dropped_total does not have",
		"B groups by cause, which plugboard_log_dropped_total does not have",
		"C has parentheses that do not match",
		"C names no metric",
	}, checkAlerts(t, planted, metrics))
}
