package lint

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Events is the package fact of a domain's packages: what their plugins publish, subscribe to, ask and answer. It
// includes the facts of the imported packages.
type Events struct {
	// Published and Heard are in the order of the files.
	Published, Heard []EventUse
	// Answered and Asked are likewise.
	Answered, Asked []QueryUse
}

// add adds the facts of another package.
func (e *Events) add(o Events) {
	e.Published, e.Heard = append(e.Published, o.Published...), append(e.Heard, o.Heard...)
	e.Answered, e.Asked = append(e.Answered, o.Answered...), append(e.Asked, o.Asked...)
}

// EventUse is an announced event, a subscription, or a query.
type EventUse struct {
	// Plugin is "domain.file", Source "domains/domain/plugins/file.go:12".
	Plugin, Source string
	// Topic is the event's.
	Topic string
	// Type is the event's form.
	Type Payload
	// Exempt is true when the line is exempted from the rule.
	Exempt bool
	// Ahead is true for a subscription with app.Ahead.
	Ahead bool
}

// AFact implements analysis.Fact.
func (*Events) AFact() {}

// String lists the topics that are published and answered.
func (e *Events) String() string {
	var topics []string
	for _, p := range e.Published {
		topics = append(topics, p.Topic)
	}
	for _, a := range e.Answered {
		topics = append(topics, a.Topic)
	}
	return strings.Join(topics, " ")
}

var topicForm = regexp.MustCompile(`^[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*$`)

const deadLetters = "_dlq."

func eventsRule() definition {
	return define("events", "what is subscribed to is published, what is asked is answered, with the fields that are read, and no event leads back to itself", checkEvents, new(Events))
}

func checkEvents(r rule) {
	var all Events
	for _, pkg := range r.Pkg.Imports() {
		var theirs Events
		if strings.Contains(pkg.Path(), "/domains/") && r.ImportPackageFact(pkg, &theirs) {
			all.add(theirs)
		}
	}
	switch {
	case r.room == "domain":
		if r.plugins() {
			r.collectEvents(&all)
		}
		if len(all.Published)+len(all.Heard)+len(all.Answered)+len(all.Asked) > 0 {
			r.ExportPackageFact(&all)
		}
	case r.room == "main" && r.Pkg.Name() == "main":
		contracts{rule: r, Events: all}.check()
	}
}

// collectEvents adds the registrations of the package's plugins, and reports types that are no events.
func (r rule) collectEvents(all *Events) {
	due := map[*ast.CallExpr]bool{} // made for schedules, and no subscriptions
	ahead := map[*ast.CallExpr]bool{}
	for _, f := range r.sources() {
		eachCall(f, func(call *ast.CallExpr) {
			switch {
			case r.callsApp(call, "Schedule") && len(call.Args) > 1:
				due[r.checkSchedule(call)] = true
			case r.callsApp(call, "Subscribe") && len(call.Args) > 0:
				r.checkSubscribed(call)
				ahead[r.subscriber(call.Args[0])] = slices.ContainsFunc(call.Args[1:], r.saysAhead)
			case r.callsApp(call, "Publishes"):
				r.collectPublished(call, all)
			case r.callsApp(call, "On", "OnTx") && len(call.Args) == 1 && !due[call]:
				if use, ok := r.eventUse(call, r.eventOf(call)); ok {
					use.Ahead = ahead[call]
					all.Heard = append(all.Heard, use)
				}
			default:
				r.collectQueries(call, all)
			}
		})
	}
}

// eventOf returns the event that a call of app.On or app.OnTx subscribes to.
func (r rule) eventOf(call *ast.CallExpr) types.Type {
	sig, ok := r.TypesInfo.TypeOf(call.Args[0]).Underlying().(*types.Signature)
	if !ok || sig.Params().Len() != 2 {
		return nil
	}
	return sig.Params().At(1).Type()
}

func (r rule) collectPublished(call *ast.CallExpr, all *Events) {
	for _, arg := range call.Args {
		if r.isDue(r.TypesInfo.TypeOf(arg)) {
			r.reportDue(arg)
		}
		if use, ok := r.eventUse(arg, r.TypesInfo.TypeOf(arg)); ok {
			all.Published = append(all.Published, use)
		}
	}
}

// eventUse describes the use of an event at node. It returns false when the type is not known or a problem was reported.
func (r rule) eventUse(node ast.Node, t types.Type) (EventUse, bool) {
	named, ok := types.Unalias(t).(*types.Named)
	if !ok || named.Obj().Pkg() != r.Pkg {
		return EventUse{}, false
	}
	name := named.Obj().Name()
	topic := r.constantMethod(name, "Topic")
	switch {
	case topic == "":
		r.report(node.Pos(), "the topic of %s is not a constant; write func (%s) Topic() string { return %q }", name, name, "what.happened")
		return EventUse{}, false
	case !topicForm.MatchString(strings.TrimPrefix(topic, deadLetters)):
		r.report(node.Pos(), "the topic %q is not of the form product.created; write lower-case words joined by dots", topic)
		return EventUse{}, false
	}
	use := EventUse{
		Plugin: r.domain + "." + strings.TrimSuffix(r.fileName(node.Pos()), ".go"), Source: r.inSource(node.Pos()),
		Topic: topic, Type: eventPayload(t), Exempt: r.exempted(node.Pos()),
	}
	for _, m := range compare(use.Type, use.Type) {
		r.report(node.Pos(), "event %s: %s", topic, m)
		ok = false
	}
	return use, ok
}

// contracts are the events of all domains, held against each other.
type contracts struct {
	rule
	Events
}

func (c contracts) check() {
	byTopic := map[string][]EventUse{}
	for _, p := range c.Published {
		byTopic[p.Topic] = append(byTopic[p.Topic], p)
	}
	for _, s := range c.Heard {
		if !s.Exempt {
			c.checkHeard(s, byTopic)
		}
	}
	c.checkCycles()
	c.checkQueries()
}

// tell reports at the import of the domain that the use is in; the message begins with the use's own file and line.
func (c contracts) tell(use EventUse, format string, args ...any) {
	domain, _, _ := strings.Cut(use.Plugin, ".")
	at := token.NoPos
	for _, f := range c.Files {
		for _, spec := range f.Imports {
			if strings.Contains(strings.Trim(spec.Path.Value, `"`)+"/", "/domains/"+domain+"/") && at == token.NoPos {
				at = spec.Pos()
			}
		}
	}
	if at == token.NoPos {
		at = c.Files[0].Package
	}
	c.report(at, "%s: plugin %s %s", use.Source, use.Plugin, fmt.Sprintf(format, args...))
}

func (c contracts) checkHeard(s EventUse, byTopic map[string][]EventUse) {
	sources := byTopic[s.Topic]
	if failed, ok := strings.CutPrefix(s.Topic, deadLetters); ok {
		if len(byTopic[failed]) == 0 {
			c.tell(s, "subscribes to %s, but nobody publishes %s; subscribe to the dead letters of one of: %s", s.Topic, failed, topics(byTopic))
			return
		}
		sources = []EventUse{{Plugin: "the host", Source: "app.DeadLetter", Topic: s.Topic, Type: deadLetter()}}
	}
	switch {
	case len(sources) == 0 && s.Ahead:
		return
	case len(sources) == 0:
		c.tell(s, "subscribes to %s, which nobody publishes; subscribe to one of: %s; or say app.Ahead() until somebody does", s.Topic, topics(byTopic))
		return
	case s.Ahead:
		c.tell(s, "says app.Ahead(), and plugin %s (%s) publishes %s; remove app.Ahead()", sources[0].Plugin, sources[0].Source, s.Topic)
	}
	missing := map[string]int{}
	for _, from := range sources {
		for _, m := range compare(s.Type, from.Type) {
			if m.missing {
				missing[m.field]++
				continue
			}
			c.tell(s, "reads %s: %s, by plugin %s (%s); declare it as it is published", s.Topic, m, from.Plugin, from.Source)
		}
	}
	for _, field := range slices.Sorted(maps.Keys(missing)) {
		if missing[field] == len(sources) {
			c.tell(s, "reads field %s of %s, which plugin %s (%s) does not send; remove it here or add it there", field, s.Topic, sources[0].Plugin, sources[0].Source)
		}
	}
}

func topics(byTopic map[string][]EventUse) string {
	return cmp.Or(strings.Join(slices.Sorted(maps.Keys(byTopic)), ", "), "none is published")
}

// deadLetter is the form of app.DeadLetter.
func deadLetter() Payload {
	text := func(name string) PayloadField {
		return PayloadField{Name: name, Type: Payload{Kind: "string", Text: "string"}}
	}
	moment := func(name string) PayloadField {
		return PayloadField{Name: name, Type: Payload{Kind: "time", Text: "time.Time"}}
	}
	return Payload{Kind: "struct", Text: "app.DeadLetter", Fields: []PayloadField{
		text("event_id"), text("topic"), text("key"), text("subscription"), text("error"),
		{Name: "attempts", Type: Payload{Kind: "int", Text: "int", Bits: 64}}, text("emitter"), moment("published_at"), moment("died_at"),
	}}
}

// checkCycles reports topics that lead back to themselves: a plugin that hears one may publish the next.
func (c contracts) checkCycles() {
	type edge struct {
		to string
		by EventUse
	}
	next := map[string][]edge{}
	for _, s := range c.Heard {
		for _, p := range c.Published {
			if s.Plugin == p.Plugin && !s.Exempt && !p.Exempt {
				next[s.Topic] = append(next[s.Topic], edge{p.Topic, s})
			}
		}
	}
	done := map[string]bool{}
	var path []string
	var visit func(topic string)
	visit = func(topic string) {
		path = append(path, topic)
		for _, e := range next[topic] {
			if at := slices.Index(path, e.to); at >= 0 {
				c.tell(e.by, "closes a cycle of events that never ends: %s → %s; publish only what nobody in the cycle hears, or say on the subscription's line why it ends", strings.Join(path[at:], " → "), e.to)
			} else if !done[e.to] {
				visit(e.to)
			}
		}
		path = path[:len(path)-1]
		done[topic] = true
	}
	for _, topic := range slices.Sorted(maps.Keys(next)) {
		if !done[topic] {
			visit(topic)
		}
	}
}

// subscriber returns the call of app.On or app.OnTx that e is, or nil.
func (r rule) subscriber(e ast.Expr) *ast.CallExpr {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok || !r.callsApp(call, "On", "OnTx") || len(call.Args) != 1 {
		return nil
	}
	return call
}

// checkSchedule reports a handler of b.Schedule that does not take app.Due. It returns the call that made the handler.
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

// saysAhead reports whether the option of a subscription is app.Ahead.
func (r rule) saysAhead(option ast.Expr) bool {
	call, ok := ast.Unparen(option).(*ast.CallExpr)
	return ok && r.callsApp(call, "Ahead")
}

// isDue reports whether t is app.Due, the argument of a schedule's handler.
func (r rule) isDue(t types.Type) bool { return t != nil && typeName(t) == r.contract+".Due" }

// reportDue reports app.Due where an event belongs: its topic is none, as the start says.
func (r rule) reportDue(at ast.Node) {
	r.report(at.Pos(), "event Due: the topic \"_due\" is not of the form product.created: an app.Due comes from a schedule; register its handler with b.Schedule(\"@daily\", app.On(…))")
}
