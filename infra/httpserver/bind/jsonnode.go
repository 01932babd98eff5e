package bind

import (
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

// jsonBinder fills the JSON fields of one request type. See [jsonBinder.decode].
type jsonBinder struct {
	root    *jsonNode
	shadow  reflect.Type // the request's type with all but the JSON fields hidden
	options json.Options
	rules   *rules.Set // nil where no field has a rule
	tracked int        // how many tracked members there are
	patch   bool
	strict  bool
	single  bool // some value is a float of 32 bits
}

// jsonField is a request field that is filled from the body.
type jsonField struct {
	name     string
	index    []int
	typ      reflect.Type
	label    string // names it in start errors
	options  []string
	presence *rules.Presence
}

// nodeKind says how the values of a type are walked.
type nodeKind uint8

const (
	nodeLeaf     nodeKind = iota // decoded as a whole
	nodeAnyJSON                  // decoded as a whole; any JSON fits
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
	tracked []trackedMember // in order
	nested  []jsonMember    // the members within whose values there are tracked members
	tracks  bool            // there are tracked members, here or within
}

// jsonMember is a member of an object.
type jsonMember struct {
	index []int
	node  *jsonNode
	track int // its place among the tracked members of its object, from 1; 0 when it is not one
}

// add adds a member; p is nil when no rule asks whether it is given.
func (n *jsonNode) add(b *nodeBuilder, name string, m jsonMember, p *rules.Presence) {
	if p != nil {
		n.tracked = append(n.tracked, newTrackedMember(p, name, m.index, b.tracked))
		m.track = len(n.tracked)
		b.tracked++
	}
	n.members[name] = m
}

// leadsToTracked reports whether there are tracked members in n or within it. Nodes may form cycles; seen has those visited.
func (n *jsonNode) leadsToTracked(seen map[*jsonNode]bool) bool {
	if n == nil || seen[n] {
		return false
	}
	seen[n] = true
	if len(n.tracked) > 0 || n.elem.leadsToTracked(seen) {
		return true
	}
	for _, m := range n.members {
		if m.node.leadsToTracked(seen) {
			return true
		}
	}
	return false
}

var byteType = reflect.TypeFor[byte]()

// compileJSON makes the binder of the body out of the JSON fields found.
func (c *compilation) compileJSON() {
	b := nodeBuilder{compilation: c, known: map[reflect.Type]*jsonNode{}}
	root := &jsonNode{kind: nodeObject, typ: c.binder.typ, expect: "must be a JSON object", members: map[string]jsonMember{}}
	for _, f := range c.fields {
		if _, twice := root.members[f.name]; twice {
			c.problem("request field %s: another field is already filled from %q", f.label, f.name)
		}
		b.checkOptions(f.label, f.options)
		root.add(&b, f.name, jsonMember{index: f.index, node: b.node(f.typ, f.label)}, f.presence)
	}
	b.settle(root)
	options := json.RejectUnknownMembers(c.binder.strict)
	if b.anyJSON || b.numbers {
		options = json.JoinOptions(options, json.WithUnmarshalers(json.JoinUnmarshalers(
			json.UnmarshalFromFunc(keepNumber), json.UnmarshalFromFunc(readNumber))))
	}
	c.binder.json = &jsonBinder{root: root, shadow: c.shadow, options: options, tracked: b.tracked, patch: c.binder.patch, strict: c.binder.strict, single: b.single}
}

// nodeBuilder turns Go types into nodes, each type once.
type nodeBuilder struct {
	*compilation
	known map[reflect.Type]*jsonNode
	// anyJSON tells that some value can be any JSON.
	anyJSON bool
	// numbers tells that some value is a json.Number.
	numbers bool
	// single tells that some value is a float of 32 bits.
	single bool
	// tracked is how many tracked members there are so far.
	tracked int
}

// settle fills tracks and nested of all nodes, once all are known. It adds root, which is no type's node, under nil.
func (b *nodeBuilder) settle(root *jsonNode) {
	if b.tracked == 0 {
		return
	}
	b.known[nil] = root
	for _, n := range b.known {
		n.tracks = n.leadsToTracked(map[*jsonNode]bool{})
	}
	for _, n := range b.known {
		for _, m := range n.members {
			if m.node.tracks {
				n.nested = append(n.nested, m)
			}
		}
	}
}

func (b *nodeBuilder) checkOptions(label string, options []string) {
	for _, o := range options {
		if o != "omitempty" && o != "omitzero" {
			b.problem("request field %s: the json option %q is not supported in requests", label, o)
		}
	}
}

// node returns the node of typ. Label names the field in start errors.
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
	case wire.IsAnyJSON(typ):
		n.kind, b.anyJSON = nodeAnyJSON, true
	case typ == wire.DurationType:
		b.problem("request field %s: a time.Duration has no JSON form; use a number of seconds or a string", label)
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
		n.kind, n.expect, n.members = nodeObject, "must be an object", map[string]jsonMember{}
		b.members(n, n.typ, nil, label)
	case reflect.Slice:
		if n.typ.Elem() == byteType { // a list of a named byte type is a list of numbers, as the JSON library has it
			n.expect, n.accepts = "must be base64 text", '"'
			return
		}
		n.kind, n.expect, n.elem = nodeList, "must be a list", b.node(n.typ.Elem(), label)
	case reflect.Map:
		if n.typ.Key().Kind() != reflect.String || wire.HasUnmarshaler(n.typ.Key()) {
			b.problem("request field %s: the keys of a %s must be plain strings", label, n.typ)
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
		b.problem("request field %s: a JSON value cannot be a %s", label, n.typ)
	}
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
			b.problem(`request field %s has no source: add json:"…"`, name)
		default:
			b.checkOptions(name, parts[1:])
			if _, twice := n.members[parts[0]]; twice {
				b.problem("request field %s: another field is already filled from %q", name, parts[0])
			}
			if f.Tag.Get("binding") != "" {
				b.rules = true
			}
			if f.Tag.Get("default") != "" {
				b.problem("request field %s: only the request's own fields can have a default", name)
			}
			n.add(b, parts[0], jsonMember{index: at, node: b.node(f.Type, name)}, rules.PresenceOf(f))
		}
	}
}

// mayBeNull reports whether null is a value for n.
func (n *jsonNode) mayBeNull(patch bool) bool {
	return n.kind == nodeOptional || n.kind == nodeAnyJSON || n.kind == nodePointer && !patch
}

// A single call of the JSON library decodes app.Optional right because that decodes itself.
var _ json.UnmarshalerFrom = (*app.Optional[int])(nil)
