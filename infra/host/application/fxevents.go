package application

import (
	"fmt"
	"strings"
	"sync"

	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"

	"plugboard/infra/logging"
)

// fxEvents keeps the events of Fx until the graph has a logger, and then logs them. It needs no part of the graph, which
// may be broken.
type fxEvents struct {
	mu      sync.Mutex
	next    fxevent.Logger
	waiting []fxevent.Event
	silent  bool // the logger does not log at debug level
	// failed names the invoked function that returned an error. The error of Fx does not.
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

// passTo logs all events, the kept ones first, if logger logs at debug level.
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

// traceFile returns the file and line of the first frame of a trace. Each frame has two lines: the function, then,
// indented, file:line.
func traceFile(trace string) string {
	for line := range strings.Lines(trace) {
		if file, ok := strings.CutPrefix(line, "\t"); ok {
			return strings.TrimSpace(file)
		}
	}
	return "unknown source"
}
