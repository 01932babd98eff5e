package host

import (
	"fmt"
	"strings"
	"sync"

	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"

	"plugboard/infra/logging"
)

// fxEvents receives Fx's events. It needs nothing of the graph, which may be broken, and passes the events on
// once the graph has a logger.
type fxEvents struct {
	mu      sync.Mutex
	next    fxevent.Logger
	waiting []fxevent.Event
	silent  bool // nobody wants to see them
	// failed says which invoked function returned an error, which Fx's error does not.
	failed string
}

// LogEvent implements fxevent.Logger.
func (e *fxEvents) LogEvent(event fxevent.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if invoked, ok := event.(*fxevent.Invoked); ok && invoked.Err != nil {
		e.failed = fmt.Sprintf("%s (%s)", shortName(strings.TrimSuffix(invoked.FunctionName, "()")), traceFile(invoked.Trace))
	}
	switch {
	case e.silent:
	case e.next == nil:
		e.waiting = append(e.waiting, event)
	default:
		e.next.LogEvent(event)
	}
}

// passTo has all events, those so far first, logged by logger, if it logs at debug level at all.
func (e *fxEvents) passTo(logger *zap.Logger) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.silent = !logger.Core().Enabled(zap.DebugLevel); e.silent {
		e.waiting = nil
		return
	}
	e.next = logging.FxLogger(logger)
	for _, event := range e.waiting {
		e.next.LogEvent(event)
	}
	e.waiting = nil
}

// traceFile returns the place of the first frame of a trace, whose lines are a function and, below it and indented,
// file:line.
func traceFile(trace string) string {
	for line := range strings.Lines(trace) {
		if file, ok := strings.CutPrefix(line, "\t"); ok {
			return strings.TrimSpace(file)
		}
	}
	return "unknown source"
}
