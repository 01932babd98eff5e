package lint

import (
	"cmp"
	"go/ast"
	"go/types"
	"maps"
	"slices"
	"strings"
)

// QueryUse is a question asked with app.Ask, or answered with app.Reply.
type QueryUse struct {
	// EventUse is where, and the form of the query.
	EventUse
	// Answer is the form of the answer.
	Answer Payload
}

// collectQueries adds the query that the call asks or answers.
func (r rule) collectQueries(call *ast.CallExpr, all *Events) {
	switch {
	case r.callsApp(call, "Reply") && len(call.Args) == 1:
		sig, ok := r.TypesInfo.TypeOf(call.Args[0]).Underlying().(*types.Signature)
		if !ok || sig.Params().Len() != 2 || sig.Results().Len() != 2 {
			return
		}
		if use, ok := r.queryUse(call, sig.Params().At(1).Type(), sig.Results().At(0).Type()); ok {
			all.Answered = append(all.Answered, use)
		}
	case r.callsApp(call, "Ask") && len(call.Args) == 3:
		query, answer := r.asked(call)
		if use, ok := r.queryUse(call, query, answer); ok {
			all.Asked = append(all.Asked, use)
		}
	}
}

// asked returns the query of app.Ask[A](ctx, bus, query) or bus.Ask(ctx, query, &answer), and its answer.
func (r rule) asked(call *ast.CallExpr) (query, answer types.Type) {
	fn := r.callee(call)
	if fn.Signature().Recv() != nil {
		return pointed(r.TypesInfo.TypeOf(call.Args[1])), pointed(r.TypesInfo.TypeOf(call.Args[2]))
	}
	for id, instance := range r.TypesInfo.Instances {
		if within(call.Fun, id.Pos()) && r.TypesInfo.Uses[id] == types.Object(fn) {
			answer = instance.TypeArgs.At(0)
		}
	}
	return pointed(r.TypesInfo.TypeOf(call.Args[2])), answer
}

// pointed returns the type that t points to, or t.
func pointed(t types.Type) types.Type {
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		return p.Elem()
	}
	return t
}

// queryUse describes a query and its answer. It returns false when their types are not known or a problem was reported.
func (r rule) queryUse(call *ast.CallExpr, query, answer types.Type) (QueryUse, bool) {
	if answer == nil {
		return QueryUse{}, false
	}
	if _, ok := answer.Underlying().(*types.Struct); !ok {
		r.report(call.Pos(), "the answer %s is no struct; declare one with the fields that are answered", types.TypeString(answer, types.RelativeTo(r.Pkg)))
		return QueryUse{}, false
	}
	event, ok := r.eventUse(call, query)
	if !ok {
		return QueryUse{}, false
	}
	use := QueryUse{EventUse: event, Answer: eventPayload(answer)}
	for _, m := range compare(use.Answer, use.Answer) {
		r.report(call.Pos(), "answer of %s: %s", use.Topic, m)
		ok = false
	}
	return use, ok
}

// checkQueries compares the questions with the answers.
func (c contracts) checkQueries() {
	responders := map[string]QueryUse{}
	for _, a := range c.Answered {
		if first, twice := responders[a.Topic]; twice {
			if first.Source == a.Source { // a test beside main.go imports the domain's plugins, too
				continue
			}
			c.tell(a.EventUse, "answers %s, which plugin %s (%s) answers already; remove one of them, or give it a topic of its own", a.Topic, first.Plugin, first.Source)
			continue
		}
		responders[a.Topic] = a
	}
	for _, q := range c.Asked {
		if q.Exempt {
			continue
		}
		to, ok := responders[q.Topic]
		if !ok {
			c.tell(q.EventUse, "asks %s, which nobody answers; ask one of: %s", q.Topic,
				cmp.Or(strings.Join(slices.Sorted(maps.Keys(responders)), ", "), "none is answered"))
			continue
		}
		c.checkAsked(q, to)
	}
}

// checkAsked compares the query as it is asked with the query as it is read, and the answers the other way.
func (c contracts) checkAsked(q, to QueryUse) {
	for _, m := range compare(to.Type, q.Type) {
		if m.missing {
			c.tell(q.EventUse, "asks %s without the field %s, which plugin %s (%s) reads; add it here or remove it there", q.Topic, m.field, to.Plugin, to.Source)
			continue
		}
		c.tell(q.EventUse, "asks %s, of which plugin %s (%s) reads a field otherwise: %s; declare both alike", q.Topic, to.Plugin, to.Source, m)
	}
	for _, m := range compare(q.Answer, to.Answer) {
		if m.missing {
			c.tell(q.EventUse, "reads field %s of the answer to %s, which plugin %s (%s) does not give; remove it here or add it there", m.field, q.Topic, to.Plugin, to.Source)
			continue
		}
		c.tell(q.EventUse, "reads the answer to %s of plugin %s (%s) otherwise than it is given: %s; declare both alike", q.Topic, to.Plugin, to.Source, m)
	}
}
