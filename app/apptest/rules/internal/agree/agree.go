// Package agree holds a service against its OpenAPI document by generated requests.
//
// For every operation, requests are made from the document, and from each of them others that differ in one place by one step. The
// service takes those that the document allows, and no others, and answers as is described. What it refuses beyond that, it refuses by a
// rule that the document lists. A guard may refuse any request.
//
// No document can say a few things, of which the generators make none: NUL characters, whole numbers with a point or an exponent,
// numbers closer to 0 than a float can say, very deep nesting, names that come twice, and limits of the body's size.
package agree

import (
	"net/http"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Service is a running service as its callers see it.
type Service struct {
	// Handler answers the requests. It is called concurrently.
	Handler http.Handler
	// Header is sent with every request, in the place of what the document says of a header of the same name.
	Header http.Header
}

// Hold holds every operation against the service, each in a parallel subtest. What deletes gets a service of its own, so that the others
// find something. When no request to an operation was answered with success, never is called, in the operation's test.
func (d *Document) Hold(t *testing.T, start func(t *testing.T) Service, never func(t *testing.T)) {
	t.Helper()
	d.hold(t, start, never, nil)
}

// hold is [Document.Hold] with requests to begin with, by the ids of operations.
func (d *Document) hold(t *testing.T, start func(t *testing.T) Service, never func(t *testing.T), samples map[string][]request) {
	t.Helper()
	shared := start(t)
	for _, o := range d.operations {
		t.Run(o.id, func(t *testing.T) {
			t.Parallel()
			s := shared
			if o.method == http.MethodDelete {
				s = start(t)
			}
			if taken := o.try(t, s, samples[o.id]); taken == 0 {
				never(t)
			}
		})
	}
}

// try makes the samples and many other requests, and returns how many were answered with success.
func (o *endpoint) try(t *testing.T, s Service, samples []request) (taken int) {
	t.Helper()
	one := func(t interface {
		Fatalf(format string, args ...any)
	}, r request) {
		problem, success := r.problem(s)
		if problem != "" {
			t.Fatalf("%s\n%s", r, problem)
		}
		if success {
			taken++
		}
	}
	for _, r := range samples {
		one(t, r)
	}
	good := slices.DeleteFunc(slices.Clone(samples), func(r request) bool { return !r.allowed() })
	rapid.Check(t, func(t *rapid.T) {
		r := o.drawn(t, good)
		one(t, r)
		if r.allowed() && rapid.IntRange(0, 49).Draw(t, "steps") == 0 {
			for _, step := range r.steps(t) {
				one(t, step)
			}
		}
	})
	return taken
}

// Fill makes a few requests to every operation that may store something, so that the others find something. It does so twice, for those
// that need what another stores.
func (d *Document) Fill(s Service) {
	const rounds, enough, most = 2, 3, 30
	for round := range rounds {
		for _, o := range d.operations {
			if o.method == http.MethodGet || o.method == http.MethodHead || o.method == http.MethodDelete {
				continue
			}
			some := o.some()
			for seed, taken := 0, 0; seed < most && taken < enough; seed++ {
				r := some.Example(round*most + seed)
				if r.allowed() && r.send(s).code < http.StatusBadRequest {
					taken++
				}
			}
		}
	}
}

// some generates requests that the operation allows, or nearly. Rapid wants every generator to draw something, even for an operation that takes
// nothing.
func (o *endpoint) some() *rapid.Generator[request] {
	return rapid.Custom(func(t *rapid.T) request {
		rapid.Bool().Draw(t, "something")
		return o.drawn(t, nil)
	})
}

// Example returns a function that makes one and the same request to an operation, anew at each call: one that the document allows, where the
// generator finds such a one. Path is a template, as in the document. The function is nil where the document does not have the operation.
func (d *Document) Example(method, path string) func() *http.Request {
	at := slices.IndexFunc(d.operations, func(o *endpoint) bool { return o.method == method && o.path == path })
	if at < 0 {
		return nil
	}
	o := d.operations[at]
	some := o.some()
	const most = 30
	r := some.Example(0)
	for seed := 1; seed < most && !r.allowed(); seed++ {
		r = some.Example(seed)
	}
	return func() *http.Request { return r.http(nil) }
}
