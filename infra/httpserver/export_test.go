package httpserver

import (
	"net/http"
	"reflect"
)

// BodyOf returns the way from a JSON body to a checked request of a type that a test makes at run time, or what is wrong with
// the type. [app.Handle] takes only types that the compiler knows.
func (s *Server) BodyOf(typ reflect.Type) (take func(body []byte) error, problems []string) {
	plan, problems := s.compiler.compile(http.MethodPost, nil, typ, false)
	if len(problems) > 0 {
		return nil, problems
	}
	return func(body []byte) error {
		var bad violations
		request := reflect.New(typ)
		if err := plan.json.decode(body, request.Elem(), &bad); err != nil {
			return err
		}
		return plan.validate(request.Interface(), &bad)
	}, nil
}
