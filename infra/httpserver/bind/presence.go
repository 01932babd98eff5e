package bind

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"plugboard/infra/httpserver/bind/rules"
	"plugboard/infra/httpserver/bind/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// asked is a member of an object whose presence its rules ask for.
type asked struct {
	*rules.Presence

	name   string
	index  []int
	number int // among all asked members of the plan
	quoted []byte
	plain  bool // the name is of characters that need no escape, so that few escapes may stand for them
}

func newAsked(p *rules.Presence, name string, index []int, number int) asked {
	plain := !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' || r == '/' })
	return asked{Presence: p, name: name, index: index, number: number, quoted: []byte(`"` + name + `"`), plain: plain}
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
	case w.bad.Full():
	case a.Required && (state == memberMissing || isRawNull(dst.FieldByIndex(a.index))):
		w.require(a.name, rules.MessageRequired)
	case state != memberGiven || !dst.FieldByIndex(a.index).IsZero():
	case a.IsEmptyText():
		w.require(a.name, rules.MessageEmpty)
	case a.Optional && len(w.path) == 0:
		w.bad.AddZero(rules.ZeroAt(dst, a.index, ""))
	case a.Optional:
		return w.rules.ApplyZero(rules.ZeroAt(dst, a.index, strings.Join(w.path, ".")+"."), w.bad)
	}
	return nil
}

// isRawNull reports whether v is JSON as it was sent, and null, which is no value where one is required.
func isRawNull(v reflect.Value) bool {
	return v.Kind() == reflect.Slice && wire.IsOpen(v.Type()) && string(v.Bytes()) == "null"
}

// require notes that the member of the given name breaks the rule "required".
func (w *walker) require(name, message string) {
	w.bad.Add(wire.Clip(strings.Join(append(w.path, name), ".")), "required", message)
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
func (j *jsonPlan) settlePresence(body []byte, request reflect.Value, bad *rules.Violations) error {
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
		if a := &n.asks[i]; v.FieldByIndex(a.index).IsZero() && (a.Required || d.named(a)) {
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
