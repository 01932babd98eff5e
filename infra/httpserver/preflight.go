package httpserver

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"plugboard/infra/httpserver/internal/routes"
)

// usualHeaders are the request headers that every endpoint takes.
const usualHeaders = "Accept, Authorization, Content-Type, If-Match, If-None-Match, Range, Traceparent, X-Request-Id"

// answerPreflight tells a browser which methods the path of the request takes, and which headers the endpoint of the method in question
// reads. It knows both from the registrations, and calls no guard and no plugin.
func (s *Server) answerPreflight(x *exchange) {
	r, h := x.request, x.Header()
	found, headers := s.endpointsAt(r.URL), []string{usualHeaders}
	asked := r.Header.Get("Access-Control-Request-Headers")
	switch e := found[r.Header.Get("Access-Control-Request-Method")]; {
	case e == nil:
	case e.binder != nil:
		headers = append(headers, e.binder.Headers()...)
		if e.Options.Idempotent {
			headers = append(headers, headerKey)
		}
	case asked != "": // a raw endpoint, which may read any header
		headers = append(headers, asked)
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(slices.Sorted(maps.Keys(found)), ", "))
	h.Set("Access-Control-Allow-Headers", strings.Join(headers, ", "))
	h.Set("Access-Control-Max-Age", s.gate.MaxAge)
	h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	x.sendEmpty(http.StatusNoContent)
}

// endpointsAt returns the endpoints that serve the path of u, by method. Of several for one method it returns the one with most literal
// segments, as the router does.
func (s *Server) endpointsAt(u *url.URL) map[string]*endpoint {
	given := routes.Segments(u)
	found, scores := map[string]*endpoint{}, map[string]int{}
	for _, e := range s.mounted {
		score, ok := routes.Match(strings.Split(e.Path, "/"), given)
		if ok && (found[e.Method] == nil || score > scores[e.Method]) {
			found[e.Method], scores[e.Method] = e, score
		}
	}
	if found[http.MethodGet] != nil && found[http.MethodHead] == nil {
		found[http.MethodHead] = found[http.MethodGet]
	}
	return found
}

// AnswersAnyHost reports whether no setting says by which names clients may call the service.
func (s *Server) AnswersAnyHost() bool {
	return s.gate.AnswersAnyHost() && !slices.Contains(s.config.Hosts, "*")
}
