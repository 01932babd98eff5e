package lint

import (
	"go/ast"
	"go/types"
)

// subscriber returns the call of app.On or app.OnTx that e is, or nil.
func (r rule) subscriber(e ast.Expr) *ast.CallExpr {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok || !r.callsApp(call, "On", "OnTx") || len(call.Args) != 1 {
		return nil
	}
	return call
}

// checkSchedule reports a handler of b.Schedule that takes something else than app.Due. It returns what made the handler.
func (r rule) checkSchedule(call *ast.CallExpr) *ast.CallExpr {
	on := r.subscriber(call.Args[1])
	if on == nil {
		return nil
	}
	if event := r.eventOf(on); event != nil && !r.isDue(event) {
		r.report(on.Pos(), "the handler of a schedule takes an app.Due, not %s; an event is listened to with b.Subscribe", types.TypeString(event, types.RelativeTo(r.Pkg)))
	}
	return on
}

// checkSubscribed reports a subscription to app.Due.
func (r rule) checkSubscribed(call *ast.CallExpr) {
	if on := r.subscriber(call.Args[0]); on != nil && r.isDue(r.eventOf(on)) {
		r.reportDue(on)
	}
}

// isDue reports whether t is app.Due, which schedules hand to their handlers.
func (r rule) isDue(t types.Type) bool { return t != nil && typeName(t) == r.module+"/app.Due" }

// reportDue reports app.Due where an event belongs: its topic is none, as the start says.
func (r rule) reportDue(at ast.Node) {
	r.report(at.Pos(), "event Due: the topic \"_due\" is not of the form product.created: an app.Due comes from a schedule; register its handler with b.Schedule(\"@daily\", app.On(…))")
}
