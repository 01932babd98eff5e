package workpool

import (
	"container/list"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"plugboard/app"
)

// taskState is where a task is. A task goes from waiting to started, by the worker, and ends once, in one of
// the states after that; whoever brings it there closes over.
type taskState int32

const (
	waiting taskState = iota
	started
	settled // the work is done
	expired // the work takes too long, and goes on
	left    // the caller has gone while the work goes on
	dropped // the caller has gone before the work began; it never will
	shed    // the pool was stopped first
)

// task is one submitted piece of work. It implements [app.Job] and deliberately holds no context.
type task struct {
	work      func(app.Job) (any, error)
	requestID string
	call      *app.Call    // may be nil; kept while the work runs
	reserved  atomic.Int64 // the job's own bytes

	lane    *lane
	element *list.Element // the place in the lane; nil outside
	queued  time.Duration
	aside   bool // runs aside
	overdue bool // was reported as overdue; all five are under the pool's lock

	state   atomic.Int32
	over    chan struct{}
	started atomic.Int64 // a time.Duration; 0 before the start
	status  atomic.Int32

	value any // both are the worker's until the task is settled, then the caller's
	err   error
}

var _ app.Job = (*task)(nil)

func newTask(call *app.Call, work func(app.Job) (any, error)) *task {
	t := &task{work: work, over: make(chan struct{}), call: call}
	if call != nil {
		t.requestID = call.RequestID
		call.Keep()
	}
	return t
}

// free gives back what the job has reserved, and its hold on what its caller has. It is called once, when the work has ended
// or never will begin.
func (t *task) free() {
	if t.call == nil {
		return
	}
	if n := t.reserved.Swap(0); n > 0 {
		t.call.Memory.Release(n)
	}
	t.call.End()
}

// Reserve implements [app.Job].
func (t *task) Reserve(n int64) error {
	if t.call == nil || t.call.Memory == nil || n <= 0 {
		return nil
	}
	if err := t.call.Memory.Reserve(n); err != nil {
		return err
	}
	t.reserved.Add(n)
	return nil
}

// Done implements [app.Job].
func (t *task) Done() <-chan struct{} { return t.over }

// SetStatus implements [app.Job]. The status is kept here until the caller takes the result, so that work
// which goes on after its caller has left does not change the caller's answer.
func (t *task) SetStatus(status int) { t.status.Store(int32(status)) }

// Logger implements [app.Job].
func (t *task) Logger() *zap.Logger {
	if t.requestID == "" {
		return t.lane.logger
	}
	return t.lane.logger.With(zap.String("request_id", t.requestID))
}

// age returns for how long t has been running at the time now.
func (t *task) age(now time.Duration) time.Duration {
	if began := t.started.Load(); began != 0 {
		return now - time.Duration(began)
	}
	return 0
}

// begin reports whether the work may start, which it may not when its caller has gone.
func (t *task) begin() bool { return t.state.CompareAndSwap(int32(waiting), int32(started)) }

// end brings t from one state to a final one, and reports false if it is in another state already.
func (t *task) end(from, to taskState) bool {
	if !t.state.CompareAndSwap(int32(from), int32(to)) {
		return false
	}
	close(t.over)
	return true
}

// settle hands the result to the caller, if it is still waiting.
func (t *task) settle(value any, err error) {
	t.value, t.err = value, err
	t.end(started, settled)
}
