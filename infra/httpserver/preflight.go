package httpserver

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"plugboard/infra/httpserver/internal/routes"
)

// usualHeaders are the request headers that every endpoint takes.
const usualHeaders = "Accept, Authorization, Content-Type, If-Match, If-None-Match, Range, Traceparent, X-Request-Id"

// answerPreflight tells a browser which methods the path of the request takes, and which headers the endpoint reads that it asks for.
// It knows both from the registrations; no guard and no plugin is called.
func (s *Server) answerPreflight(x *exchange) {
	r, h := x.request, x.Header()
	methods := []string{}
	headers := []string{usualHeaders}
	for method, e := range s.endpointsAt(r.URL) {
		methods = append(methods, method)
		if method != r.Header.Get("Access-Control-Request-Method") {
			continue
		}
		if e.binder == nil { // of a raw endpoint it is not known which headers it reads
			if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
				headers = append(headers, asked)
			}
			continue
		}
		headers = append(headers, e.binder.Headers()...)
	}
	slices.Sort(methods)
	h.Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
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
