package workpool

import (
	"container/list"

	"go.uber.org/zap"
)

// queue holds the waiting tasks in a lane for each plugin. Tasks are taken from the lanes in turn, so that a
// plugin with much work delays another by one job at most, for each free worker.
type queue struct {
	lanes map[string]*lane
	turns list.List // of the lanes that are not empty; the first is next
	len   int
}

// lane holds the waiting tasks of one plugin, first come first served, and what is counted for the plugin.
type lane struct {
	plugin string
	logger *zap.Logger
	tasks  list.List
	turn   *list.Element // the place in turns; nil when the lane is empty

	brevity, required    int // how short the jobs of late were, and how short they have to be to run aside
	wait, run            histogram
	queueFull, shareFull int // refused jobs
}

func newLane(plugin string, logger *zap.Logger) *lane {
	return &lane{plugin: plugin, logger: logger.With(zap.String("plugin", plugin)), required: shortStreak}
}

func (q *queue) push(t *task) {
	t.element = t.lane.tasks.PushBack(t)
	if t.lane.turn == nil {
		t.lane.turn = q.turns.PushBack(t.lane)
	}
	q.len++
}

// pop takes the first task of the lane whose turn it is; nil when nothing waits.
func (q *queue) pop() *task {
	first := q.turns.Front()
	if first == nil {
		return nil
	}
	l := first.Value.(*lane)
	t := l.tasks.Front().Value.(*task)
	q.turns.MoveToBack(first)
	q.remove(t)
	return t
}

// remove takes t out of its lane, if it is in it.
func (q *queue) remove(t *task) {
	if t.element == nil {
		return
	}
	t.lane.tasks.Remove(t.element)
	t.element = nil
	q.len--
	if t.lane.tasks.Len() == 0 {
		q.turns.Remove(t.lane.turn)
		t.lane.turn = nil
	}
}
