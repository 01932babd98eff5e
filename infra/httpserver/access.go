package httpserver

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/fx"

	"plugboard/app"
)

// DefaultRule is the access rule of endpoints that have none. [DefaultAccess] makes one.
type DefaultRule struct{ rule app.Access }

// DefaultAccess says who may call the endpoints that do not say so themselves, in a service with an [app.Authenticator]. It takes
// app.SignedIn() or app.Can("…"), and nothing else: what is open to everybody says so itself. Anything else is a start error. Place is
// where the service says so, for that error.
func DefaultAccess(access app.EndpointOption, place string) fx.Option {
	if access != nil {
		o := app.CollectEndpointOptions([]app.EndpointOption{access})
		if len(o.Access) == 1 && !o.Access[0].Public {
			return fx.Supply(&DefaultRule{o.Access[0]})
		}
	}
	return fx.Error(fmt.Errorf("host.DefaultAccess (%s) takes app.SignedIn() or app.Can(\"…\"); what is open to everybody says app.Public() itself", place))
}

// AuthenticateAlso has the server ask a before the service's own [app.Authenticator], and accept those whom a knows. It does not change which
// endpoints are open: in a service without an authenticator, an endpoint that says nothing stays open. It is for tests; call it before [Server.Check].
func (s *Server) AuthenticateAlso(a app.Authenticator) { s.also = a }

// Schemes says how callers tell who they are; nothing in a service without an [app.Authenticator].
func (s *Server) Schemes() []app.SecurityScheme {
	if s.authenticator == nil {
		return nil
	}
	return s.authenticator.Schemes()
}

// longestFresh is the longest that [app.Fresh] takes.
const longestFresh = 90 * 24 * time.Hour

// applyAccess finds the rule on who may call the endpoint, and returns what is wrong with it.
func (e *endpoint) applyAccess() (wrong []string) {
	o, s := e.Options, e.server
	switch {
	case len(o.Access) > 1:
		wrong = append(wrong, fmt.Sprintf("it has %s and %s; give one access rule", o.Access[0], o.Access[1]))
	case len(o.Access) == 1:
		e.access = o.Access[0]
	case s.authenticator == nil:
		e.access = app.Access{Public: true}
	case s.defaultRule != nil:
		e.access = s.defaultRule.rule
	default:
		wrong = append(wrong, `it does not say who may call it: add app.Public(), app.SignedIn() or app.Can("…"), here or by app.Every for the domain; host.DefaultAccess in main.go says it for the service`)
	}
	if len(wrong) > 0 {
		return wrong
	}
	if s.authenticator == nil && s.also == nil && !e.access.Public {
		wrong = append(wrong, fmt.Sprintf("it has %s, and nobody can sign in: list accounts.Module in main.go, or another module with an app.Authenticator", e.access))
	}
	if e.access.Can && e.access.Permission == "" {
		wrong = append(wrong, "app.Can has no permission")
	}
	return append(wrong, e.checkFresh()...)
}

func (e *endpoint) checkFresh() (wrong []string) {
	fresh := e.Options.Fresh
	switch {
	case fresh == nil:
	case e.access.Public:
		wrong = append(wrong, "app.Fresh asks when the caller signed in, and app.Public() lets everybody call: use app.SignedIn()")
	case *fresh < time.Second || *fresh > longestFresh:
		wrong = append(wrong, fmt.Sprintf("the time %s of app.Fresh must be from 1s to %s", *fresh, longestFresh))
	}
	return wrong
}

// checkAllows finds functions of [app.Allow] that could not be asked.
func (e *endpoint) checkAllows() (wrong []string) {
	for _, allow := range e.Options.Allows {
		switch {
		case allow.Call == nil:
			wrong = append(wrong, "app.Allow has no function")
		case e.Raw != nil:
			wrong = append(wrong, "app.Allow is for typed endpoints; a raw one decides in its handler, or by app.Guard")
		case allow.Request != e.Handler.RequestType():
			wrong = append(wrong, fmt.Sprintf("app.Allow takes a %s, and the handler a %s; they must be the same", typeName(allow.Request), typeName(e.Handler.RequestType())))
		}
	}
	return wrong
}

// typeName names a type for the developer who reads a start error.
func typeName(t reflect.Type) string {
	if t == nil {
		return "request"
	}
	return t.String()
}

// authorize asks who makes the request, unless everybody may, and refuses those whom the endpoint's rule does not let in. The principal is
// in the call from then on.
func (e *endpoint) authorize(ctx context.Context, x *exchange) error {
	if e.access.Public {
		return nil
	}
	p, err := e.authenticate(ctx, x)
	if err == nil && p == nil {
		err = app.Errorf(app.Unauthorized, "sign in first: the request does not say who makes it")
	}
	if err != nil {
		if app.CodeOf(err) == app.Unauthorized {
			x.challenge()
		}
		return err
	}
	x.call.Principal = p
	if e.access.Can && !p.Can(e.access.Permission) {
		return app.Errorf(app.Forbidden, "this needs the permission %s", e.access.Permission)
	}
	return e.demandFresh(ctx, p)
}

// errNamelessPrincipal is a bug of the authenticator.
var errNamelessPrincipal = errors.New("authenticate: the authenticator returned a principal whose ID is empty, longer than 255 bytes, or no printable text")

// isName reports whether an ID can stand in logs, spans, events and their database.
func isName(id string) bool {
	const longest = 255
	return id != "" && len(id) <= longest && utf8.ValidString(id) && !strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) })
}

// authenticate returns who makes the request, nil for nobody.
func (e *endpoint) authenticate(ctx context.Context, x *exchange) (p *app.Principal, err error) {
	r := x.request.WithContext(ctx)
	r.Body = x.watched()
	defer func() { removeUploads(r) }()
	for _, a := range []app.Authenticator{e.server.also, e.server.authenticator} {
		if a == nil {
			continue
		}
		if p, err = a.Authenticate(ctx, r); p != nil || err != nil {
			break
		}
	}
	if err == nil && p != nil && !isName(p.ID) {
		return nil, errNamelessPrincipal
	}
	return p, err
}

// challenge says with an answer 401 how to do better, as RFC 9110, section 11.6.1, demands. What the authenticator has set stands.
func (x *exchange) challenge() {
	if !x.call.HasHeader("Www-Authenticate") {
		x.Header()["Www-Authenticate"] = []string{"Bearer"}
	}
}

// demandFresh refuses a principal whose sign-in is too long ago, as RFC 9470 describes.
func (e *endpoint) demandFresh(ctx context.Context, p *app.Principal) error {
	longest := e.Options.Fresh
	if longest == nil {
		return nil
	}
	// A sign-in in the future is one of a clock that is fast, or nonsense, which must not be fresh for as long as it lies ahead.
	if age := e.server.clock.Now().Sub(p.SignedInAt); !p.SignedInAt.IsZero() && -*longest <= age && age <= *longest {
		return nil
	}
	app.SetHeader(ctx, "WWW-Authenticate", fmt.Sprintf(`Bearer error="insufficient_user_authentication", error_description="a sign-in of the last %s is needed", max_age=%d`,
		*longest, int(longest.Seconds())))
	return app.Errorf(app.Unauthorized, "sign in again: this needs a sign-in of the last %s", *longest)
}

// allows asks the functions of [app.Allow] in order.
func (e *endpoint) allows(ctx context.Context, request any) error {
	for _, allow := range e.Options.Allows {
		if err := allow.Call(ctx, request); err != nil {
			return err
		}
	}
	return nil
}
