package workpool

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// queue holds the waiting jobs, in a queue for each plugin. Workers take from the plugins in turn, so that a plugin with
// much work delays another plugin by one job at most, for each free worker. The pool's lock guards it.
type queue struct {
	plugins map[string]*pluginQueue
	turns   []*pluginQueue // those with waiting jobs; the first one is next
	len     int
}

// pluginQueue holds the waiting jobs of one plugin, first come first served, and the plugin's metrics.
type pluginQueue struct {
	plugin string
	logger *zap.Logger
	tasks  []*task

	shortRun, requiredRun int // how many short jobs there were lately, and how many let the next job run inline
	wait, run             prometheus.Observer
	queueFull, shareFull  prometheus.Counter // refused jobs
}

func newPluginQueue(plugin string, logger *zap.Logger, m *metrics) *pluginQueue {
	return &pluginQueue{
		plugin: plugin, logger: logger.With(zap.String("plugin", plugin)), requiredRun: shortStreak,
		wait: m.wait.WithLabelValues(plugin), run: m.run.WithLabelValues(plugin),
		queueFull: m.rejected.WithLabelValues(plugin, "queue"), shareFull: m.rejected.WithLabelValues(plugin, "share"),
	}
}

func (q *queue) push(t *task) {
	if len(t.queue.tasks) == 0 {
		q.turns = append(q.turns, t.queue)
	}
	t.queue.tasks = append(t.queue.tasks, t)
	q.len++
}

// pop takes the first job of the plugin whose turn it is; nil when nothing waits.
func (q *queue) pop() *task {
	if len(q.turns) == 0 {
		return nil
	}
	next := q.turns[0]
	t := next.tasks[0]
	q.turns = append(slices.Delete(q.turns, 0, 1), next)
	q.remove(t)
	return t
}

// remove takes t out of its plugin's queue, if t is in it.
func (q *queue) remove(t *task) {
	i := slices.Index(t.queue.tasks, t)
	if i < 0 {
		return
	}
	t.queue.tasks = slices.Delete(t.queue.tasks, i, i+1)
	q.len--
	if len(t.queue.tasks) == 0 {
		i := slices.Index(q.turns, t.queue)
		q.turns = slices.Delete(q.turns, i, i+1)
	}
}
