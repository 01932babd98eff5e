package application

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"

	"go.uber.org/fx"
)

// hook is a hook of the lifecycle.
type hook struct {
	fx.Hook
	// name says who appended it: `hook of products.NewCache (file.go:12)`.
	name string
}

// hookList replaces the lifecycle of Fx. The host runs the hooks in it itself, each within a budget of its own. Fx would
// give all of them one budget, skip the rest when it is overrun, and let a panic end the process.
type hookList struct {
	mu     sync.Mutex
	hooks  []hook
	closed bool
}

// Append implements fx.Lifecycle. It panics once the start has begun, since the host would not run the hook any more.
func (l *hookList) Append(h fx.Hook) {
	owner := hookOwner(h)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		panic("a hook was appended after the start had begun, by " + owner)
	}
	l.hooks = append(l.hooks, hook{Hook: h, name: "hook of " + owner})
}

// close returns the hooks. No more can be appended then.
func (l *hookList) close() []hook {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return l.hooks
}

// hookOwner names the function that appended h. When Fx appended it for an annotated constructor, it names the hook's
// own function.
func hookOwner(h fx.Hook) string {
	const skip, depth = 3, 1 // runtime.Callers, hookOwner and Append
	pcs := make([]uintptr, depth)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(skip, pcs)])
	frame, _ := frames.Next()
	if frame.Function != "" && !strings.HasPrefix(frame.Function, "go.uber.org/fx") {
		return placed(frame.Function, frame.File, frame.Line)
	}
	fn := reflect.ValueOf(h.OnStart)
	if h.OnStart == nil {
		fn = reflect.ValueOf(h.OnStop)
	}
	return placeOfFunc(fn)
}

// placeOfFunc names a function and the place of its declaration.
func placeOfFunc(fn reflect.Value) string {
	if !fn.IsValid() || fn.Kind() != reflect.Func || fn.IsNil() {
		return "an unknown function"
	}
	f := runtime.FuncForPC(fn.Pointer())
	file, line := f.FileLine(f.Entry())
	return placed(f.Name(), file, line)
}

// placed renders "package.Function (file.go:12)".
func placed(function, file string, line int) string {
	return fmt.Sprintf("%s (%s)", shortName(function), FromRoot(fmt.Sprintf("%s:%d", file, line)))
}

// shortName drops the path before the package's name.
func shortName(function string) string {
	return function[strings.LastIndex(function, "/")+1:]
}
