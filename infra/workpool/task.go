package workpool

import (
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/logging"
)

// taskState is the state of a task. A task goes from waiting to started, by its worker, and from one of these to one of the
// final states after them. Whoever brings it to a final state closes over.
type taskState int32

const (
	waiting taskState = iota
	started
	settled // the work has ended
	expired // the work runs longer than the limit, and goes on
	left    // the caller has gone while the work goes on
	dropped // the caller has gone before the work began, so it never begins
	givenUp // the pool stopped first
)

// task is one submitted job. It implements [app.Job]. It holds no context, so that the work cannot wait for I/O by it.
type task struct {
	work      func(app.Job) (any, error)
	requestID string
	principal string       // the ID of who caused the work, or ""
	call      *app.Call    // may be nil; kept until the work has ended
	reserved  atomic.Int64 // the bytes that the job has reserved itself

	queue   *pluginQueue  // set once, at the submission, like queued
	queued  time.Duration // the time of the submission
	inline  bool          // runs inline; under the pool's lock, like overdue
	overdue bool          // was reported as overdue

	state   atomic.Int32
	over    chan struct{}
	started atomic.Int64 // a time.Duration; 0 before the start
	status  atomic.Int32

	value any // value and err are the worker's until the task is settled, then the caller's
	err   error
}

var _ app.Job = (*task)(nil)

func newTask(call *app.Call, work func(app.Job) (any, error)) *task {
	t := &task{work: work, over: make(chan struct{}), call: call}
	if call != nil {
		t.requestID, t.principal = call.RequestID, call.CausedBy()
		call.Keep()
	}
	return t
}

// free releases the job's own reservation and its share in the caller's. It is called once, when the work has ended or will
// never begin.
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

// SetStatus implements [app.Job]. The task keeps the status until the caller takes the result. So work that goes on after
// its caller has left does not change the caller's answer.
func (t *task) SetStatus(status int) { t.status.Store(int32(status)) }

// Logger implements [app.Job].
func (t *task) Logger() *zap.Logger {
	if t.requestID == "" {
		return t.queue.logger
	}
	return t.queue.logger.With(zap.String("request_id", t.requestID), logging.Principal(t.principal))
}

// age returns how long t has been running at the time now; 0 before the start.
func (t *task) age(now time.Duration) time.Duration {
	if began := t.started.Load(); began != 0 {
		return now - time.Duration(began)
	}
	return 0
}

// begin starts the task and returns true, unless its caller has gone or the pool has stopped.
func (t *task) begin() bool { return t.state.CompareAndSwap(int32(waiting), int32(started)) }

// end brings t from the state from to the final state to. It returns false, and does nothing, if t is in another state.
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
