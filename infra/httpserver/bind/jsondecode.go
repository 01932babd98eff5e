package bind

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"plugboard/app"
	"plugboard/infra/httpserver/bind/rules"
	"plugboard/infra/httpserver/bind/wire"
)

// decode fills the JSON fields of request, an addressable struct, from body.
//
// There are two ways. The quick one is a single call of the JSON library. It stops at the first problem, and accepts what this service
// refuses: nulls and NUL characters where they are not allowed, numbers that a float rounds to 0, and deep nesting. If it fails, or if
// the body may contain one of these, the careful way walks the members one by one and reports every problem. When both succeed, they
// fill the request with the same values. The quick way does not tell which members were given. Where a rule asks for that, and
// [presenceScan] does not find it out, the members are walked once more, without being read.
func (j *jsonBinder) decode(body []byte, request reflect.Value, found *rules.Violations) error {
	if !suspicious(body, j.single) {
		target := reflect.NewAt(j.shadow, request.Addr().UnsafePointer()).Interface()
		switch {
		case json.Unmarshal(body, target, j.options) != nil:
		case j.needsPresenceWalk(body, request):
			return j.checkPresence(body, request, found)
		default:
			return nil
		}
	}
	return j.decodeCarefully(body, request, found)
}

// suspicious reports whether body may contain nulls, NUL characters, numbers that a float rounds to 0, or deep nesting.
func suspicious(body []byte, single bool) bool {
	return bytes.Contains(body, []byte("null")) || bytes.Contains(body, []byte(`\u0000`)) ||
		mayUnderflow(body, single) ||
		(len(body) > maxDepth && bytes.Count(body, []byte{'{'})+bytes.Count(body, []byte{'['}) > maxDepth)
}

// zeros are what a number needs that a float rounds to 0, if it has no exponent. Hardly any other body has as many zeros in a row.
var zeros = bytes.Repeat([]byte{'0'}, 32)

// How long such a number is at least.
const (
	leastTiny       = 300
	leastTinySingle = 40 // for a float of 32 bits
)

// mayUnderflow reports whether body may contain a number that is not 0 but that a float rounds to 0. Such a number has very many zeros, or
// a negative exponent of three digits, such as 1e-400. With single, the request has a float of 32 bits, for which two digits are enough.
// Texts such as ids have "e-" too, but hardly ever so many digits behind it, and then a comma, a bracket or a space.
func mayUnderflow(body []byte, single bool) bool {
	length, most := leastTiny, 2
	if single {
		length, most = leastTinySingle, 1
	}
	for rest := body; ; {
		i := bytes.IndexByte(rest, '-')
		if i < 0 {
			return len(body) > length && bytes.Contains(body, zeros)
		}
		exponent := i > 0 && rest[i-1]|0x20 == 'e'
		rest = rest[i+1:]
		if !exponent {
			continue
		}
		digits := len(rest) - len(bytes.TrimLeft(rest, "0123456789"))
		if digits > most && (digits == len(rest) || bytes.IndexByte([]byte(",]} \t\r\n"), rest[digits]) >= 0) {
			return true
		}
	}
}

// decodeCarefully fills request member by member and adds all that does not fit to found.
func (j *jsonBinder) decodeCarefully(body []byte, request reflect.Value, found *rules.Violations) error {
	if err := checkSyntax(body); err != nil {
		return err
	}
	w := walker{dec: jsontext.NewDecoder(bytes.NewReader(body)), options: j.options, found: found, patch: j.patch, strict: j.strict, rules: j.rules}
	if w.dec.PeekKind() != '{' {
		found.Add("body", "type", j.root.expect)
		return nil
	}
	if err := w.value(j.root, request); err != nil {
		return fmt.Errorf("walk body: %w", err)
	}
	return nil
}

// checkSyntax reads body to its end and returns a Malformed error unless it is exactly one JSON value in
// strict JSON: UTF-8, no duplicate names, not too deep.
func checkSyntax(body []byte) error {
	dec := jsontext.NewDecoder(bytes.NewReader(body))
	for done := false; ; {
		_, err := dec.ReadToken()
		switch {
		case errors.Is(err, io.EOF):
			if !done {
				return errNoBody()
			}
			return nil
		case done:
			return app.Errorf(app.Malformed, "the body has data after the JSON value")
		case err != nil:
			return syntaxError(err)
		case dec.StackDepth() > maxDepth:
			return app.Errorf(app.Malformed, "the body nests deeper than %d levels", maxDepth)
		}
		done = dec.StackDepth() == 0
	}
}

func errNoBody() error {
	return app.Errorf(app.Malformed, "a JSON body is required")
}

// syntaxError words the JSON library's finding for the caller.
func syntaxError(err error) error {
	var syntax *jsontext.SyntacticError
	at := ""
	if errors.As(err, &syntax) {
		at = " at byte " + strconv.FormatInt(syntax.ByteOffset, 10)
	}
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return app.Errorf(app.Malformed, "the body has the member %q twice", wire.Clip(strings.Join(slices.Collect(syntax.JSONPointer.Tokens()), ".")))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return app.Errorf(app.Malformed, "the body ends in the middle of the JSON value")
	case strings.Contains(err.Error(), "invalid UTF-8"):
		return app.Errorf(app.Malformed, "the body is not valid UTF-8%s", at)
	default:
		return app.Errorf(app.Malformed, "the body is not valid JSON%s", at)
	}
}

// walker fills a request from a body whose syntax is known to be right, and adds all that does not fit to found.
type walker struct {
	dec     *jsontext.Decoder
	options json.Options
	found   *rules.Violations
	path    []string
	patch   bool
	strict  bool
	rules   *rules.Set
	// scan is nil when values are to be read. Otherwise they have been read, and only the presence of members is checked.
	scan *presenceScan
}

func (w *walker) violate(rule, message string) {
	w.found.Add(wire.Clip(strings.Join(w.path, ".")), rule, message)
}

// within runs fn with name added to the path.
func (w *walker) within(name string, fn func() error) error {
	w.path = append(w.path, name)
	err := fn()
	w.path = w.path[:len(w.path)-1]
	return err
}

// value reads one value into dst. Its error is a fault of the service, not of the caller.
func (w *walker) value(n *jsonNode, dst reflect.Value) error {
	if w.scan != nil && !w.scan.needsWalk(n, dst) {
		return w.dec.SkipValue()
	}
	if w.dec.PeekKind() == 'n' && !n.mayBeNull(w.patch) {
		w.violate("null", "must not be null")
		return w.dec.SkipValue()
	}
	switch n.kind {
	case nodeObject:
		return w.object(n, dst)
	case nodeList:
		return w.list(n, dst)
	case nodeMap:
		return w.mapping(n, dst)
	case nodePointer:
		return w.pointer(n, dst)
	case nodeOptional:
		return w.optional(n, dst)
	default:
		return w.leaf(n, dst)
	}
}

// enterComposite reads the opening brace or bracket of an object or list. It reports false for a value of another kind, which it skips as a
// violation.
func (w *walker) enterComposite(n *jsonNode, kind jsontext.Kind) (ok bool, err error) {
	if w.dec.PeekKind() != kind {
		w.violate("type", n.expect)
		return false, w.dec.SkipValue()
	}
	_, err = w.dec.ReadToken()
	return true, err
}

func (w *walker) object(n *jsonNode, dst reflect.Value) error {
	if ok, err := w.enterComposite(n, '{'); !ok || err != nil {
		return err
	}
	seen := make([]memberState, len(n.tracked))
	err := w.eachMember(func(name string) error {
		m, known := n.members[name]
		if !known {
			return w.unknown(name)
		}
		wrong := w.found.Len()
		err := w.value(m.node, dst.FieldByIndex(m.index))
		switch {
		case m.track == 0:
		case w.found.Len() > wrong:
			seen[m.track-1] = memberWrong
		default:
			seen[m.track-1] = memberGiven
		}
		return err
	})
	for i := range n.tracked {
		err = errors.Join(err, w.presence(&n.tracked[i], dst, seen[i]))
	}
	return err
}

// eachMember calls fn for each member, with the decoder before its value, and reads the closing brace.
func (w *walker) eachMember(fn func(name string) error) error {
	for w.dec.PeekKind() != '}' {
		token, err := w.dec.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		if err := w.within(name, func() error { return fn(name) }); err != nil {
			return err
		}
	}
	_, err := w.dec.ReadToken()
	return err
}

func (w *walker) unknown(name string) error {
	if w.strict {
		w.violate("unknown", "is not a known field")
	}
	if w.scan != nil {
		return w.dec.SkipValue()
	}
	if strings.IndexByte(name, 0) >= 0 {
		w.violate("nul", wire.MessageNUL)
	}
	raw, err := w.dec.ReadValue()
	if err == nil && hasNUL(raw) {
		w.violate("nul", wire.MessageNUL)
	}
	return err
}

func (w *walker) list(n *jsonNode, dst reflect.Value) error {
	if ok, err := w.enterComposite(n, '['); !ok || err != nil {
		return err
	}
	if w.scan == nil {
		dst.Set(reflect.MakeSlice(n.typ, 0, 0))
	}
	for i := 0; w.dec.PeekKind() != ']'; i++ {
		if w.scan == nil {
			dst.Set(reflect.Append(dst, reflect.Zero(n.typ.Elem())))
		}
		err := w.within(strconv.Itoa(i), func() error { return w.value(n.elem, dst.Index(i)) })
		if err != nil {
			return err
		}
	}
	_, err := w.dec.ReadToken()
	return err
}

func (w *walker) mapping(n *jsonNode, dst reflect.Value) error {
	if ok, err := w.enterComposite(n, '{'); !ok || err != nil {
		return err
	}
	if w.scan == nil {
		dst.Set(reflect.MakeMap(n.typ))
	}
	return w.eachMember(func(name string) error {
		if strings.IndexByte(name, 0) >= 0 {
			w.violate("nul", wire.MessageNUL)
		}
		key, item := reflect.ValueOf(name).Convert(n.typ.Key()), reflect.New(n.typ.Elem()).Elem()
		if w.scan != nil {
			item.Set(dst.MapIndex(key))
			return w.value(n.elem, item)
		}
		err := w.value(n.elem, item)
		dst.SetMapIndex(key, item)
		return err
	})
}

func (w *walker) pointer(n *jsonNode, dst reflect.Value) error {
	if w.dec.PeekKind() == 'n' {
		dst.SetZero()
		return w.dec.SkipValue()
	}
	if w.scan == nil {
		dst.Set(reflect.New(n.typ.Elem()))
	}
	return w.value(n.elem, dst.Elem())
}

func (w *walker) optional(n *jsonNode, dst reflect.Value) error {
	dst.FieldByName("Set").SetBool(true)
	if w.dec.PeekKind() == 'n' {
		dst.FieldByName("Null").SetBool(true)
		return w.dec.SkipValue()
	}
	return w.value(n.elem, dst.FieldByName("Value"))
}

func (w *walker) leaf(n *jsonNode, dst reflect.Value) error {
	raw, err := w.dec.ReadValue()
	if err != nil {
		return err
	}
	switch {
	case hasNUL(raw):
		w.violate("nul", wire.MessageNUL)
	case n.accepts != 0 && raw.Kind() != n.accepts:
		w.violate("type", n.expect)
	case json.Unmarshal(raw, dst.Addr().Interface(), w.options) != nil:
		w.violate("type", cmp.Or(n.expect, messageRange))
	case dst.CanFloat() && dst.Float() == 0 && wire.Underflows(string(raw)):
		w.violate("type", wire.MessageTiny)
	}
	return nil
}

// messageRange is for a field that takes any JSON: a number is all that can be wrong with it.
const messageRange = "must not have a number beyond the range of 64-bit floats"

// hasNUL reports whether a string within raw, which is valid JSON, contains a NUL character.
func hasNUL(raw []byte) bool {
	if !bytes.Contains(raw, []byte(`\u0000`)) {
		return false
	}
	dec := jsontext.NewDecoder(bytes.NewReader(raw))
	for {
		token, err := dec.ReadToken()
		if err != nil {
			return false
		}
		if token.Kind() == '"' && strings.IndexByte(token.String(), 0) >= 0 {
			return true
		}
	}
}
