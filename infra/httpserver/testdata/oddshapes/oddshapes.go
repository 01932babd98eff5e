// Package oddshapes is a domain of plugins whose requests and answers are unusual: for tests of what reads, writes or describes
// them. It is linked into no service.
//
// [Shapes] lists the plugins with exchanges that hold for each, [Module] is the domain for a whole application, and [Boot]
// registers all endpoints as one plugin. [Refused] lists the types that the host refuses at start.
package oddshapes

import (
	"context"
	"fmt"
	"net/http"

	"go.uber.org/fx"

	"plugboard/app"
)

// Shape is a plugin with one endpoint.
type Shape struct {
	// Name is the plugin's, without the domain's.
	Name string
	// Method and Path are those of the endpoint.
	Method, Path string
	// Exchanges are requests with the answers they get.
	Exchanges []Exchange

	register func(*app.Boot)
}

// Exchange is a request with its answer.
type Exchange struct {
	// Target is the path and query of the request.
	Target string
	// Headers are "Name: value", the Content-Type of a body among them.
	Headers []string
	// Body is the request's; "" sends none.
	Body string
	// Status is the answer's.
	Status int
	// Answer is the whole body of the answer.
	Answer string
	// Answered are headers of the answer.
	Answered map[string][]string
}

// Boot registers the endpoints of all shapes as one plugin.
func Boot(b *app.Boot) {
	for _, s := range Shapes() {
		s.register(b)
	}
}

// Module returns the domain, a plugin for each shape: "oddshapes.maps" and so on. It has no tables and no events.
func Module() app.DomainModule {
	var parts []fx.Option
	for _, s := range Shapes() {
		parts = append(parts, app.Plugin[*plugin]("oddshapes."+s.Name, func() *plugin { return &plugin{s.register} }))
	}
	return app.Domain("oddshapes", parts...)
}

// Shapes returns all shapes that the host takes.
func Shapes() []Shape {
	var all []Shape
	for _, some := range [][]Shape{bodies(), ownForms(), rules(), parameters(), patches(), answers(), statuses(), contents()} {
		all = append(all, some...)
	}
	return all
}

// plugin serves one shape.
type plugin struct{ register func(*app.Boot) }

// OnBoot registers the shape's endpoint.
func (p *plugin) OnBoot(b *app.Boot) { p.register(b) }

// handler is what a typed endpoint calls.
type handler[Req, Res any] func(context.Context, Req) (Res, error)

// endpoint makes a shape of a typed I/O handler.
func endpoint[Req, Res any](name, method, path string, fn handler[Req, Res], exchanges []Exchange, opts ...app.EndpointOption) Shape {
	return registered(name, method, path, app.Handle(fn), exchanges, opts...)
}

func registered(name, method, path string, h app.Handler, exchanges []Exchange, opts ...app.EndpointOption) Shape {
	return Shape{Name: name, Method: method, Path: path, Exchanges: exchanges, register: func(b *app.Boot) {
		opts := append([]app.EndpointOption{app.Tags("Odd")}, opts...)
		switch method {
		case http.MethodGet:
			b.GET(path, h, opts...)
		case http.MethodPut:
			b.PUT(path, h, opts...)
		case http.MethodPatch:
			b.PATCH(path, h, opts...)
		case http.MethodDelete:
			b.DELETE(path, h, opts...)
		default:
			b.POST(path, h, opts...)
		}
	}}
}

// echo makes a shape that answers with the JSON body it was sent.
func echo[T any](name string, exchanges []Exchange, opts ...app.EndpointOption) Shape {
	return endpoint(name, http.MethodPost, "/odd/"+name, func(_ context.Context, req T) (T, error) { return req, nil }, at("/odd/"+name, exchanges), opts...)
}

// seen is the answer of a shape whose request cannot be an answer.
type seen struct {
	Got string `json:"got"`
}

// take makes a shape that answers with what it understood, as Go prints it.
func take[T any](name, method, path string, exchanges []Exchange, opts ...app.EndpointOption) Shape {
	return endpoint(name, method, path, show[T], exchanges, opts...)
}

func show[T any](_ context.Context, req T) (seen, error) { return seen{fmt.Sprintf("%+v", req)}, nil }

// none is a request that nothing is asked of.
type none struct{}

// send makes a shape that always answers with one value.
func send[T any](name string, value T, data string, opts ...app.EndpointOption) Shape {
	return endpoint(name, http.MethodGet, "/odd/"+name, func(context.Context, none) (T, error) { return value, nil },
		[]Exchange{{Target: "/odd/" + name, Status: http.StatusOK, Answer: envelope(data)}}, opts...)
}

// at gives exchanges their target.
func at(target string, exchanges []Exchange) []Exchange {
	for i := range exchanges {
		if exchanges[i].Target == "" {
			exchanges[i].Target = target
		}
	}
	return exchanges
}

// asJSON is the header of a JSON body.
const asJSON = "Content-Type: application/json"

// given is an exchange of a JSON body and the answer's data.
func given(body, data string) Exchange {
	return Exchange{Headers: []string{asJSON}, Body: body, Status: http.StatusOK, Answer: envelope(data)}
}

// back is an exchange of a JSON body that comes back as it is.
func back(body string) Exchange { return given(body, body) }

// refused is an exchange of a JSON body that breaks one rule.
func refused(body, field, rule, message string) Exchange {
	return Exchange{Headers: []string{asJSON}, Body: body, Status: http.StatusUnprocessableEntity, Answer: broken(field, rule, message)}
}

// asked is an exchange without a body.
func asked(target, data string, headers ...string) Exchange {
	return Exchange{Target: target, Headers: headers, Status: http.StatusOK, Answer: envelope(data)}
}

func envelope(data string) string { return `{"success":true,"data":` + data + `,"error":null}` }

func broken(field, rule, message string) string {
	return `{"success":false,"data":null,"error":"` + field + " " + message + `","code":"invalid","details":[{"field":"` + field +
		`","rule":"` + rule + `","message":"` + message + `"}]}`
}

func list(exchanges ...Exchange) []Exchange { return exchanges }
