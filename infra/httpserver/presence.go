package httpserver

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// presence is what the rules of a field say about whether it is given, for a field whose value does not tell: a bool, a number,
// a text or a struct may have been given with its zero value. For the others nil means "not given", and the validator's own
// "required" and "omitempty" do.
type presence struct {
	required bool // it must be given
	optional bool // its other rules hold only when it is given
	text     bool // it is a text, which must not be empty where it is required
}

// isEmptyText reports whether a given field with the zero value is an empty text that must not be empty.
func (p *presence) isEmptyText() bool { return p.required && p.text }

// presenceOf returns what f's rules say about presence, nil when that is nothing, or when the value tells.
func presenceOf(f reflect.StructField) *presence {
	required, optional := presenceRules(f)
	if !required && !optional || nilTells(f.Type) {
		return nil
	}
	return &presence{required, optional, f.Type.Kind() == reflect.String && !hasUnmarshaler(f.Type)}
}

// presenceRules returns which of the rules of presence f has, for itself and not for its elements.
func presenceRules(f reflect.StructField) (required, optional bool) {
	for rule := range strings.SplitSeq(f.Tag.Get("binding"), ",") {
		switch {
		case rule == "dive":
			return required, optional
		case rule == "required":
			required = true
		case isOmit(rule):
			optional = true
		}
	}
	return required, optional
}

// isOmit reports whether rule is one of the names under which the validator knows that a field may be left out.
func isOmit(rule string) bool { return rule == "omitempty" || rule == "omitnil" || rule == "omitzero" }

// nilTells reports whether a field of typ is nil when it is not given, and only then.
func nilTells(typ reflect.Type) bool {
	switch typ.Kind() {
	case reflect.Pointer, reflect.Interface:
		return true
	case reflect.Slice, reflect.Map:
		return !hasUnmarshaler(typ)
	default:
		return IsOptional(typ)
	}
}

// appliedRules returns the rules of f as the validator applies them. What it takes for "not given" is the zero value, so of the
// rules of presence it gets those for which that is the same. One set of rules is for all requests, the other for fields that
// were given with their zero value.
func appliedRules(f reflect.StructField, givenZero bool) string {
	typ, outer, inside := f.Type, f.Type, false
	given := givenZero || f.Tag.Get(string(sourceURI)) != "" // what comes from the path is always given
	var applied []string
	for rule := range strings.SplitSeq(f.Tag.Get("binding"), ",") {
		switch {
		case rule == "dive" && isCollection(Ruled(typ)):
			outer, typ, inside = typ, Ruled(typ).Elem(), true
		case rule == "keys" && Ruled(outer).Kind() == reflect.Map:
			typ = Ruled(outer).Key()
		case rule == "endkeys" && isCollection(Ruled(outer)):
			typ = Ruled(outer).Elem()
		case rule == "required" && !inside && !nilTells(typ):
			continue
		case isOmit(rule) && !nilTells(typ) && (inside || given):
			continue
		case isOmit(rule):
			rule = "omitempty"
		}
		applied = append(applied, rule)
	}
	return strings.Join(applied, ",")
}

// givenZero is a field that was given with its zero value and has rules that hold only when it is given.
type givenZero struct {
	holder reflect.Value // the struct whose field it is, addressable
	field  int           // its place there
	prefix string        // the caller's name of the struct, with a dot behind it; "" for the request itself
}

// zeroAt returns the field of v at index, which was given with its zero value.
func zeroAt(v reflect.Value, index []int, prefix string) givenZero {
	last := len(index) - 1
	return givenZero{v.FieldByIndex(index[:last]), index[last], prefix}
}

// judgeZero applies all rules of a field that was given with its zero value. Those of the validator for all requests would take
// it for one that was not.
func (r *ruleSet) judgeZero(z givenZero, bad *violations) error {
	typ, known := z.holder.Type(), violations{list: slices.Clone(bad.list)}
	f := typ.Field(z.field)
	only := f.Name
	if typ.Name() != "" {
		only = typ.Name() + "." + only
	}
	err, broken := judge(r.judges.given, pointerTo(z.holder), func(ns []byte) bool { return string(ns) != only })
	if broken {
		bad.add(clip(z.prefix+wireName(f)), "type", messageUnfit)
		return nil
	}
	if err := noteViolations(typ, z.prefix, err, known, bad); err != nil || f.Type.Kind() != reflect.Struct || isOpaque(f.Type) {
		return err
	}
	inner := z.holder.Field(z.field)
	err, _ = judge(r.judges.rules, pointerTo(inner), nil)
	return noteViolations(f.Type, z.prefix+wireName(f)+".", err, known, bad)
}

// pointerTo returns a pointer to v, which is addressable and may be the value of an embedded struct that is not exported.
func pointerTo(v reflect.Value) any {
	return reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Interface()
}

// asked is a member of an object whose presence its rules ask for.
type asked struct {
	*presence

	name   string
	index  []int
	number int // among all asked members of the plan
	quoted []byte
	plain  bool // the name is of characters that need no escape, so that few escapes may stand for them
}

func newAsked(p *presence, name string, index []int, number int) asked {
	plain := !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' || r == '/' })
	return asked{presence: p, name: name, index: index, number: number, quoted: []byte(`"` + name + `"`), plain: plain}
}

// memberState says whether a member whose presence is asked for was given.
type memberState uint8

const (
	memberMissing memberState = iota
	memberGiven
	memberWrong // given, and refused already
)

// presence holds a member of an object that was read into dst against the rules of presence. Within the body, zero values are
// judged at once: there may be very many.
func (w *walker) presence(a *asked, dst reflect.Value, state memberState) error {
	switch {
	case w.bad.full():
	case a.required && (state == memberMissing || isRawNull(dst.FieldByIndex(a.index))):
		w.require(a.name, messageRequired)
	case state != memberGiven || !dst.FieldByIndex(a.index).IsZero():
	case a.isEmptyText():
		w.require(a.name, messageEmpty)
	case a.optional && len(w.path) == 0:
		w.bad.zeros = append(w.bad.zeros, zeroAt(dst, a.index, ""))
	case a.optional:
		return w.rules.judgeZero(zeroAt(dst, a.index, strings.Join(w.path, ".")+"."), w.bad)
	}
	return nil
}

// isRawNull reports whether v is JSON as it was sent, and null, which is no value where one is required.
func isRawNull(v reflect.Value) bool {
	return v.Kind() == reflect.Slice && isOpen(v.Type()) && string(v.Bytes()) == "null"
}

// require notes that the member of the given name breaks the rule "required".
func (w *walker) require(name, message string) {
	w.bad.add(clip(strings.Join(append(w.path, name), ".")), "required", message)
}

// doubt looks for members of which neither the value nor the body's text tells quickly whether they were given.
type doubt struct {
	body   []byte
	absent []bool // the asked members that are known not to be named anywhere in the body
}

// doubtful reports whether only a walk through body tells which members of request were given, of those that its rules ask for.
func (j *jsonPlan) doubtful(body []byte, request reflect.Value) bool {
	if !j.root.asking {
		return false
	}
	var room [64]bool // most plans ask for fewer, and it costs no allocation
	d := doubt{body: body, absent: room[:]}
	if j.asked > len(room) {
		d.absent = make([]bool, j.asked)
	}
	return d.about(j.root, request)
}

// settlePresence applies the rules of presence to request, which was read from body, by a walk through body.
func (j *jsonPlan) settlePresence(body []byte, request reflect.Value, bad *violations) error {
	dec := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true)) // there are none
	w := walker{dec: dec, bad: bad, rules: j.rules, filled: &doubt{body: body, absent: make([]bool, j.asked)}}
	if err := w.object(j.root, request); err != nil {
		return fmt.Errorf("walk body: %w", err)
	}
	return nil
}

// about reports whether there is a doubt about v, which is a value of n.
func (d *doubt) about(n *jsonNode, v reflect.Value) bool {
	switch n.kind {
	case nodeObject:
		return d.aboutMembers(n, v)
	case nodeList:
		for i := range v.Len() {
			if d.about(n.elem, v.Index(i)) {
				return true
			}
		}
	case nodeMap:
		for all := v.MapRange(); all.Next(); {
			if d.about(n.elem, all.Value()) {
				return true
			}
		}
	case nodePointer:
		return !v.IsNil() && d.about(n.elem, v.Elem())
	case nodeOptional:
		return v.FieldByName("Set").Bool() && !v.FieldByName("Null").Bool() && d.about(n.elem, v.FieldByName("Value"))
	}
	return false
}

func (d *doubt) aboutMembers(n *jsonNode, v reflect.Value) bool {
	for i := range n.asks {
		if a := &n.asks[i]; v.FieldByIndex(a.index).IsZero() && (a.required || d.named(a)) {
			return true
		}
	}
	for _, m := range n.within {
		value := v.FieldByIndex(m.index)
		if m.ask > 0 && value.IsZero() {
			continue // it was not given, or there would be a doubt by now
		}
		if d.about(m.node, value) {
			return true
		}
	}
	return false
}

// named reports whether the body may have a member of a's name somewhere.
func (d *doubt) named(a *asked) bool {
	if d.absent[a.number] {
		return false
	}
	if bytes.Contains(d.body, a.quoted) || mayBeEscaped(d.body, a.plain) {
		return true
	}
	d.absent[a.number] = true
	return false
}

// mayBeEscaped reports whether body may have a name in it that is spelled with escapes. Those of the characters of a plain name
// are \u0020 to \u007e; texts have other escapes far more often.
func mayBeEscaped(body []byte, plain bool) bool {
	if !plain {
		return bytes.IndexByte(body, '\\') >= 0
	}
	for rest := body; ; {
		i := bytes.Index(rest, []byte(`\u00`))
		if i < 0 {
			return false
		}
		if rest = rest[i+4:]; len(rest) > 0 && rest[0] >= '2' && rest[0] <= '7' {
			return true
		}
	}
}
