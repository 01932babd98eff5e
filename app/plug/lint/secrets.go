package lint

import (
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"gorm.io/gorm/schema"
)

// Secrets is the package fact of a models package: the columns that its entities mark with secret:"true".
type Secrets struct {
	// Names are the columns' names and those of their fields, in snake case, sorted.
	Names []string
}

// AFact implements analysis.Fact.
func (*Secrets) AFact() {}

func secretsRule() definition {
	return define("secrets", "no answer and no event has a field that is named like a secret, or like a column marked secret:\"true\"", checkSecrets, new(Secrets))
}

// checkSecrets looks at the types that leave the service: those of answers and events, and all that they are made of.
func checkSecrets(r rule) {
	switch {
	case r.room == "domain" && r.layer == "models":
		if names := r.secretColumns(); len(names) > 0 {
			r.ExportPackageFact(&Secrets{Names: names})
		}
		return
	case !r.plugins():
		return
	}
	s := leaving{rule: r, seen: map[types.Type]bool{}, told: map[token.Pos]bool{}}
	for _, pkg := range r.Pkg.Imports() {
		var theirs Secrets
		if pkg.Path() == r.module+"/domains/"+r.domain+"/models" && r.ImportPackageFact(pkg, &theirs) {
			s.columns = append(s.columns, theirs.Names...)
		}
	}
	for _, f := range r.sources() {
		eachCall(f, s.check)
	}
}

// secretColumns returns the names of the fields of this package's entities that are marked.
func (r rule) secretColumns() []string {
	found := map[string]bool{}
	for _, s := range r.structs() {
		for i := range s.NumFields() {
			tag := reflect.StructTag(s.Tag(i))
			if tag.Get("secret") != "true" {
				continue
			}
			found[snake(s.Field(i).Name())] = true
			if column := schema.ParseTagSetting(tag.Get("gorm"), ";")["COLUMN"]; column != "" {
				found[snake(column)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// leaving looks at types that leave the service.
type leaving struct {
	rule

	columns []string
	seen    map[types.Type]bool
	told    map[token.Pos]bool
}

// check looks at what a registration sends.
func (s *leaving) check(call *ast.CallExpr) {
	switch {
	case s.callsApp(call, "Handle", "HandleCPU", "Reply") && len(call.Args) == 1:
		if sig, ok := s.TypesInfo.TypeOf(call.Args[0]).Underlying().(*types.Signature); ok && sig.Results().Len() == 2 {
			s.walk(call, sig.Results().At(0).Type(), "the answer")
		}
	case s.callsApp(call, "Publishes"):
		for _, arg := range call.Args {
			s.walk(arg, s.TypesInfo.TypeOf(arg), "the event")
		}
	case s.callsApp(call, "Answers"):
		if id := calledName(call); id != nil {
			for t := range s.TypesInfo.Instances[id].TypeArgs.Types() {
				s.walk(call, t, "the answer")
			}
		}
	}
}

// calledName returns the identifier of the function that is called, without its type arguments.
func calledName(call *ast.CallExpr) *ast.Ident {
	switch f := call.Fun.(type) {
	case *ast.IndexExpr:
		return nameOf(f.X)
	case *ast.IndexListExpr:
		return nameOf(f.X)
	}
	return nameOf(call.Fun)
}

// walk looks at a type and at all that it is made of. A type of another module is its author's.
func (s *leaving) walk(at ast.Node, t types.Type, what string) {
	t = types.Unalias(t)
	if s.seen[t] {
		return
	}
	s.seen[t] = true
	switch u := t.(type) {
	case *types.Named:
		for arg := range u.TypeArgs().Types() {
			s.walk(at, arg, what)
		}
		if pkg := u.Obj().Pkg(); pkg != nil && (pkg == s.Pkg || strings.HasPrefix(pkg.Path(), s.module+"/")) && pkg.Path() != s.contract {
			s.walk(at, u.Underlying(), what)
		}
	case *types.Pointer:
		s.walk(at, u.Elem(), what)
	case *types.Slice:
		s.walk(at, u.Elem(), what)
	case *types.Array:
		s.walk(at, u.Elem(), what)
	case *types.Map:
		s.walk(at, u.Elem(), what)
	case *types.Struct:
		for i := range u.NumFields() {
			s.checkField(at, u.Field(i), reflect.StructTag(u.Tag(i)), what)
		}
	}
}

// checkField reports a field whose name is that of a secret, where it is declared, or at the registration when that is in
// another package.
func (s *leaving) checkField(at ast.Node, field *types.Var, tag reflect.StructTag, what string) {
	name, _, _ := strings.Cut(tag.Get("json"), ",")
	if tag.Get("json") == "-" || !field.Exported() && !field.Embedded() {
		return
	}
	pos := field.Pos()
	if field.Pkg() != s.Pkg {
		pos = at.Pos()
	}
	for _, named := range []string{snake(field.Name()), snake(name)} {
		switch {
		case named == "" || s.told[pos]:
		case slices.Contains(s.columns, named):
			s.told[pos] = true
			s.report(pos, "%s has the field %s, named like a column that is marked secret:\"true\"; remove it, or say behind it why it may leave: //plug:allow secrets <reason>", what, field.Name())
		case secretName(named, field.Type()):
			s.told[pos] = true
			s.report(pos, "%s has the field %s, named like a secret; remove it, or say behind it why it may leave: //plug:allow secrets <reason>", what, field.Name())
		}
	}
	if !s.told[pos] {
		s.walk(at, field.Type(), what)
	}
}

// snake returns the words of a Go name, a JSON name or a column in small letters, joined by "_".
func snake(name string) string {
	var b strings.Builder
	letters := []rune(name)
	for i, c := range letters {
		begins := unicode.IsUpper(c) && i > 0 && (!unicode.IsUpper(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1]))
		switch {
		case c == '-' || c == '_' || c == ' ' || c == '.':
			c = '_'
		case begins:
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return strings.Join(strings.FieldsFunc(b.String(), func(c rune) bool { return c == '_' }), "_")
}

var (
	// secretWords are the names of secrets, of one word or two; a longer name that has one is a secret's too.
	secretWords = strings.Fields(`password passwd pwd passphrase passcode secret secrets salt pepper otp totp credential credentials token jwt
		cvv cvc api_key apikey private_key privatekey secret_key access_key signing_key encryption_key session_key recovery_code recovery_codes backup_codes`)
	// secretAlone are the names of secrets only by themselves.
	secretAlone = strings.Fields("pin session session_id pass")
	// publicTokens are names of what is no secret, though it has the name of one.
	publicTokens = strings.Fields("next_token prev_token previous_token page_token next_page_token continuation_token continue_token cursor_token sync_token csrf_token xsrf_token")
	// about are the last words of names that tell about a secret.
	about = strings.Fields("policy rules strength count length expires expiry at type name id hint age ttl status required kind version")
)

// secretName reports whether a name in snake case is that of a secret. A flag or a time tells about one, as a number does when its
// name has more than that.
func secretName(name string, t types.Type) bool {
	words := strings.Split(name, "_")
	alone := slices.Contains(secretWords, name) || slices.Contains(secretAlone, name)
	switch {
	case slices.Contains(publicTokens, name), len(words) > 1 && !alone && slices.Contains(about, words[len(words)-1]), typeName(t) == "time.Time":
		return false
	}
	t = pointed(t)
	if basic, ok := t.Underlying().(*types.Basic); ok {
		switch {
		case basic.Info()&types.IsBoolean != 0:
			return false
		case basic.Info()&types.IsNumeric != 0:
			return alone
		}
	}
	return alone || slices.ContainsFunc(secretWords, func(secret string) bool { return strings.Contains("_"+name+"_", "_"+secret+"_") })
}
