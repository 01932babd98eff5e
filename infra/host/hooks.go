package host

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"

	"go.uber.org/fx"
)

// hook is one hook that somebody appended to the lifecycle.
type hook struct {
	fx.Hook
	// name says whose it is: `hook of products.NewCache (file.go:12)`.
	name string
}

// hookList stands in for Fx's lifecycle: it collects hooks, which the host runs itself, each with a budget of
// its own. Fx would give all of them one, skip the rest after an overrun, and let a panic end the
// process.
type hookList struct {
	mu     sync.Mutex
	hooks  []hook
	closed bool
}

// Append implements fx.Lifecycle. It panics once the start has begun: the hook would not be run.
func (l *hookList) Append(h fx.Hook) {
	owner := hookOwner(h)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		panic("a hook was appended after the start had begun, by " + owner)
	}
	l.hooks = append(l.hooks, hook{Hook: h, name: "hook of " + owner})
}

// close returns the hooks, of which there will be no more.
func (l *hookList) close() []hook {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return l.hooks
}

// hookOwner names the function that appended h; for a hook that Fx appends for an annotated constructor, the
// hook's own function.
func hookOwner(h fx.Hook) string {
	const skip, depth = 3, 1 // runtime.Callers, hookOwner and Append
	pcs := make([]uintptr, depth)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(skip, pcs)])
	frame, _ := frames.Next()
	if frame.Function != "" && !strings.HasPrefix(frame.Function, "go.uber.org/fx") {
		return describe(frame.Function, frame.File, frame.Line)
	}
	fn := reflect.ValueOf(h.OnStart)
	if h.OnStart == nil {
		fn = reflect.ValueOf(h.OnStop)
	}
	return describeFunc(fn)
}

// describeFunc names a function and the place of its declaration.
func describeFunc(fn reflect.Value) string {
	if !fn.IsValid() || fn.Kind() != reflect.Func || fn.IsNil() {
		return "an unknown function"
	}
	f := runtime.FuncForPC(fn.Pointer())
	file, line := f.FileLine(f.Entry())
	return describe(f.Name(), file, line)
}

// describe renders "package.Function (file.go:12)".
func describe(function, file string, line int) string {
	return fmt.Sprintf("%s (%s)", shortName(function), FromRoot(fmt.Sprintf("%s:%d", file, line)))
}

// shortName drops the path before the package's name.
func shortName(function string) string {
	return function[strings.LastIndex(function, "/")+1:]
}
