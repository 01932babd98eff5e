package bind

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"plugboard/infra/httpserver/bind/rules"
	"plugboard/infra/httpserver/bind/wire"
)

// trackedMember is a member of an object with a rule about its presence: the binder must know whether the body has it.
type trackedMember struct {
	*rules.Presence

	name   string
	index  []int
	number int // among all tracked members of the request
	quoted []byte
	plain  bool // the name is of printable ASCII without quote, backslash and slash: see mayBeEscaped
}

func newTrackedMember(p *rules.Presence, name string, index []int, number int) trackedMember {
	plain := !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' || r == '/' })
	return trackedMember{Presence: p, name: name, index: index, number: number, quoted: []byte(`"` + name + `"`), plain: plain}
}

// memberState says whether a tracked member was given.
type memberState uint8

const (
	memberMissing memberState = iota
	memberGiven
	memberWrong // given, and refused already
)

// presence applies the rules of presence to a member of an object that was read into dst. A field of the request itself that was given
// with its zero value is noted, and its other rules are applied with those of all fields. For a field deeper in the request they are
// applied at once: a list may have very many of them, and nothing needs to be kept then.
func (w *walker) presence(m *trackedMember, dst reflect.Value, state memberState) error {
	switch {
	case w.found.Full():
	case m.Required && (state == memberMissing || isRawNull(dst.FieldByIndex(m.index))):
		w.require(m.name, rules.MessageRequired)
	case state != memberGiven || !dst.FieldByIndex(m.index).IsZero():
	case m.RefusesEmpty():
		w.require(m.name, rules.MessageEmpty)
	case m.Optional && len(w.path) == 0:
		w.found.AddZero(rules.ZeroAt(dst, m.index, ""))
	case m.Optional:
		return w.rules.ApplyZero(rules.ZeroAt(dst, m.index, strings.Join(w.path, ".")+"."), w.found)
	}
	return nil
}

// isRawNull reports whether v is a field that keeps its JSON as it was sent, and holds null. For "required", that is no value.
func isRawNull(v reflect.Value) bool {
	return v.Kind() == reflect.Slice && wire.IsAnyJSON(v.Type()) && string(v.Bytes()) == "null"
}

// require adds that the member of the given name breaks the rule "required".
func (w *walker) require(name, message string) {
	w.found.Add(wire.Clip(strings.Join(append(w.path, name), ".")), "required", message)
}

// presenceScan finds out, after the JSON library has filled a request, whether the body must be walked once more to learn which tracked
// members it has. The walk is slow, so the scan first looks at what is cheap:
//
//	the field is not zero                        it was given, or has its default, which keeps its rules
//	the body has the name of the member nowhere  it was not given
//	otherwise                                    only the walk tells
type presenceScan struct {
	body   []byte
	absent []bool // the tracked members, by number, whose names are nowhere in the body
}

// needsPresenceWalk reports whether only a walk through body tells which tracked members of request were given.
func (j *jsonBinder) needsPresenceWalk(body []byte, request reflect.Value) bool {
	if !j.root.tracks {
		return false
	}
	var room [64]bool // enough for most requests; it is on the stack
	scan := presenceScan{body: body, absent: room[:]}
	if j.tracked > len(room) {
		scan.absent = make([]bool, j.tracked)
	}
	return scan.needsWalk(j.root, request)
}

// checkPresence applies the rules of presence to request, which was read from body, by a walk through body.
func (j *jsonBinder) checkPresence(body []byte, request reflect.Value, found *rules.Violations) error {
	dec := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true)) // there are none
	w := walker{dec: dec, found: found, rules: j.rules, scan: &presenceScan{body: body, absent: make([]bool, j.tracked)}}
	if err := w.object(j.root, request); err != nil {
		return fmt.Errorf("walk body: %w", err)
	}
	return nil
}

// needsWalk reports whether only the walk tells if each tracked member within v, a value of n, was given.
func (s *presenceScan) needsWalk(n *jsonNode, v reflect.Value) bool {
	switch n.kind {
	case nodeObject:
		return s.objectNeedsWalk(n, v)
	case nodeList:
		for i := range v.Len() {
			if s.needsWalk(n.elem, v.Index(i)) {
				return true
			}
		}
	case nodeMap:
		for all := v.MapRange(); all.Next(); {
			if s.needsWalk(n.elem, all.Value()) {
				return true
			}
		}
	case nodePointer:
		return !v.IsNil() && s.needsWalk(n.elem, v.Elem())
	case nodeOptional:
		return v.FieldByName("Set").Bool() && !v.FieldByName("Null").Bool() && s.needsWalk(n.elem, v.FieldByName("Value"))
	}
	return false
}

// objectNeedsWalk is needsWalk for a struct. A required member whose field is zero needs the walk in any case: if it is missing, the walk
// reports it with its place.
func (s *presenceScan) objectNeedsWalk(n *jsonNode, v reflect.Value) bool {
	for i := range n.tracked {
		if m := &n.tracked[i]; v.FieldByIndex(m.index).IsZero() && (m.Required || s.isNamed(m)) {
			return true
		}
	}
	for _, m := range n.nested {
		value := v.FieldByIndex(m.index)
		if m.track > 0 && value.IsZero() {
			continue // the loop above has found that it was not given, and so nothing within it was
		}
		if s.needsWalk(m.node, value) {
			return true
		}
	}
	return false
}

// isNamed reports whether the body may have a member of m's name, in whatever object. It remembers a name that the body does not have.
func (s *presenceScan) isNamed(m *trackedMember) bool {
	if s.absent[m.number] {
		return false
	}
	if bytes.Contains(s.body, m.quoted) || mayBeEscaped(s.body, m.plain) {
		return true
	}
	s.absent[m.number] = true
	return false
}

// mayBeEscaped reports whether body may spell the name of a member with escapes, so that a search for the name misses it. The characters
// of a plain name can only be escaped as \u0020 to \u007e. Texts hardly ever have those escapes, but often others, such as \n or \".
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
