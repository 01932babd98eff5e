package bind

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"plugboard/app"
	"plugboard/infra/httpserver/bind/rules"
	"plugboard/infra/httpserver/bind/wire"
)

// maxDepth is how deep a JSON body may nest.
const maxDepth = 100

// jsonPlan is how the JSON body of one endpoint is decoded. See [jsonPlan.decode].
type jsonPlan struct {
	root    *jsonNode
	shadow  reflect.Type // the request's type with all but the JSON fields hidden
	options json.Options
	rules   *rules.Set // nil where no field has a rule
	asked   int        // how many members there are whose presence is asked for
	patch   bool
	strict  bool
	single  bool // some value is a float of 32 bits
}

// jsonField is a request field that is filled from the body, as the planner found it.
type jsonField struct {
	name    string
	index   []int
	typ     reflect.Type
	label   string
	options []string
	asked   *rules.Presence
}

// nodeKind says how the values of a type are walked.
type nodeKind uint8

const (
	nodeLeaf     nodeKind = iota // decoded as a whole
	nodeOpen                     // decoded as a whole, and anything goes
	nodeObject                   // a struct
	nodeList                     // a slice
	nodeMap                      // a map with string keys
	nodePointer                  // null or a value
	nodeOptional                 // an app.Optional
)

// jsonNode describes the JSON form of a Go type. A type that contains itself is a cycle of nodes.
type jsonNode struct {
	kind    nodeKind
	typ     reflect.Type
	expect  string        // what the value must be: "must be a string"
	accepts jsontext.Kind // the JSON kind of a leaf; 0 when its type decides
	elem    *jsonNode
	members map[string]jsonMember
	asks    []asked      // the members whose presence is asked for, in order
	within  []jsonMember // the members within whose values there are such
	asking  bool         // there are such, here or within
}

// jsonMember is a member of an object.
type jsonMember struct {
	index []int
	node  *jsonNode
	ask   int // its place among those whose presence is asked for, from 1; 0 for none
}

// add adds a member. The presence is nil when nobody asks for it.
func (n *jsonNode) add(b *nodeBuilder, name string, m jsonMember, p *rules.Presence) {
	if p != nil {
		n.asks = append(n.asks, newAsked(p, name, m.index, b.asked))
		m.ask, n.asking = len(n.asks), true
		b.asked++
	}
	n.members[name] = m
}

// leadsToAsked reports whether the presence of a member within n is asked for, as far as the nodes below know yet.
func (n *jsonNode) leadsToAsked() bool {
	if n.asking || n.elem != nil && n.elem.asking {
		return true
	}
	for _, m := range n.members {
		if m.node.asking {
			return true
		}
	}
	return false
}

var byteType = reflect.TypeFor[byte]()

// compileJSON makes the plan for the body out of the JSON fields found.
func (c *planner) compileJSON() {
	b := nodeBuilder{planner: c, known: map[reflect.Type]*jsonNode{}}
	root := &jsonNode{kind: nodeObject, typ: c.plan.typ, expect: "must be a JSON object", members: map[string]jsonMember{}}
	for _, f := range c.fields {
		if _, twice := root.members[f.name]; twice {
			c.problem("request field %s: another field is already filled from %q", f.label, f.name)
		}
		b.checkOptions(f.label, f.options)
		root.add(&b, f.name, jsonMember{index: f.index, node: b.node(f.typ, f.label)}, f.asked)
	}
	b.settle(root)
	options := json.RejectUnknownMembers(c.plan.strict)
	if b.open || b.numbers {
		options = json.JoinOptions(options, json.WithUnmarshalers(json.JoinUnmarshalers(
			json.UnmarshalFromFunc(keepNumber), json.UnmarshalFromFunc(readNumber))))
	}
	c.plan.json = &jsonPlan{root: root, shadow: c.shadow, options: options, asked: b.asked, patch: c.plan.patch, strict: c.plan.strict, single: b.single}
}

// nodeBuilder turns Go types into nodes, each type once.
type nodeBuilder struct {
	planner *planner
	known   map[reflect.Type]*jsonNode
	// open tells that some value can be any JSON.
	open bool
	// numbers tells that some value is a json.Number.
	numbers bool
	// single tells that some value is a float of 32 bits.
	single bool
	// asked is how many members there are so far whose presence is asked for.
	asked int
}

// settle finds the nodes within which the presence of members is asked for, root among them. They may form cycles.
func (b *nodeBuilder) settle(root *jsonNode) {
	if b.asked == 0 {
		return
	}
	nodes := append(slices.Collect(maps.Values(b.known)), root)
	for changed := true; changed; {
		changed = false
		for _, n := range nodes {
			if !n.asking && n.leadsToAsked() {
				n.asking, changed = true, true
			}
		}
	}
	for _, n := range nodes {
		for _, m := range n.members {
			if m.node.asking {
				n.within = append(n.within, m)
			}
		}
	}
}

func (b *nodeBuilder) checkOptions(label string, options []string) {
	for _, o := range options {
		if o != "omitempty" && o != "omitzero" {
			b.planner.problem("request field %s: the json option %q is not supported in requests", label, o)
		}
	}
}

func (b *nodeBuilder) node(typ reflect.Type, label string) *jsonNode {
	if n, ok := b.known[typ]; ok {
		return n
	}
	n := &jsonNode{typ: typ}
	b.known[typ] = n
	b.fill(n, label)
	return n
}

func (b *nodeBuilder) fill(n *jsonNode, label string) {
	typ := n.typ
	switch {
	case wire.IsOptional(typ):
		value, _ := typ.FieldByName("Value")
		n.kind, n.elem = nodeOptional, b.node(value.Type, label)
	case wire.IsOpen(typ):
		n.kind, b.open = nodeOpen, true
	case typ == wire.DurationType:
		b.planner.problem("request field %s: a time.Duration has no JSON form; use a number of seconds or a string", label)
	case typ == wire.NumberType:
		n.expect, n.accepts, b.numbers = wire.MessageNumber, '0', true
	case typ == wire.TimeType:
		n.expect, n.accepts = wire.MessageTime, '"'
	case typ == wire.DateType:
		n.expect, n.accepts = wire.MessageDate, '"'
	case typ.Kind() == reflect.Pointer:
		n.kind, n.elem = nodePointer, b.node(typ.Elem(), label)
	case wire.HasUnmarshaler(typ):
		n.expect = wire.MessageForm
	default:
		b.fillKind(n, label)
	}
}

func (b *nodeBuilder) fillKind(n *jsonNode, label string) {
	switch n.typ.Kind() {
	case reflect.Struct:
		b.fillStruct(n, label)
	case reflect.Slice:
		if n.typ.Elem() == byteType { // a list of a named byte type is a list of numbers, as the JSON library has it
			n.expect, n.accepts = "must be base64 text", '"'
			return
		}
		n.kind, n.expect, n.elem = nodeList, "must be a list", b.node(n.typ.Elem(), label)
	case reflect.Map:
		if n.typ.Key().Kind() != reflect.String || wire.HasUnmarshaler(n.typ.Key()) {
			b.planner.problem("request field %s: the keys of a %s must be plain strings", label, n.typ)
		}
		n.kind, n.expect, n.elem = nodeMap, "must be an object", b.node(n.typ.Elem(), label)
	case reflect.String:
		n.expect, n.accepts = "must be a string", '"'
	case reflect.Bool:
		n.expect = "must be true or false"
	case reflect.Float32, reflect.Float64:
		n.expect, n.accepts, b.single = wire.MessageNumber, '0', b.single || n.typ.Kind() == reflect.Float32
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n.expect, n.accepts = wire.IntegerMessage(n.typ), '0'
	default:
		b.planner.problem("request field %s: a JSON value cannot be a %s", label, n.typ)
	}
}

func (b *nodeBuilder) fillStruct(n *jsonNode, label string) {
	n.kind, n.expect, n.members = nodeObject, "must be an object", map[string]jsonMember{}
	b.members(n, n.typ, nil, label)
}

// members adds the fields of typ, a struct within a body, to n.
func (b *nodeBuilder) members(n *jsonNode, typ reflect.Type, index []int, label string) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		at, name := append(slices.Clone(index), i), label+"."+f.Name
		tag, tagged := f.Tag.Lookup("json")
		parts := strings.Split(tag, ",")
		switch {
		case f.Anonymous && !tagged && f.Type.Kind() == reflect.Struct:
			b.members(n, f.Type, at, name)
		case !f.IsExported() || tag == "-":
			continue
		case parts[0] == "":
			b.planner.problem(`request field %s has no source: add json:"…"`, name)
		default:
			b.checkOptions(name, parts[1:])
			if _, twice := n.members[parts[0]]; twice {
				b.planner.problem("request field %s: another field is already filled from %q", name, parts[0])
			}
			if f.Tag.Get("binding") != "" {
				b.planner.rules = true
			}
			if f.Tag.Get("default") != "" {
				b.planner.problem("request field %s: only the request's own fields can have a default", name)
			}
			n.add(b, parts[0], jsonMember{index: at, node: b.node(f.Type, name)}, rules.PresenceOf(f))
		}
	}
}

// mayBeNull reports whether null is a value for n.
func (n *jsonNode) mayBeNull(patch bool) bool {
	switch n.kind {
	case nodeOptional, nodeOpen:
		return true
	case nodePointer:
		return !patch
	default:
		return false
	}
}

// The fast path relies on app.Optional decoding itself.
var _ json.UnmarshalerFrom = (*app.Optional[int])(nil)
