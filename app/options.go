package app

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"time"
)

// EndpointOption changes how an endpoint is served or documented.
type EndpointOption interface{ applyEndpoint(o *EndpointOptions) }

type endpointOption func(*EndpointOptions)

func (f endpointOption) applyEndpoint(o *EndpointOptions) { f(o) }

// collect applies options of any kind to their zero value.
func collect[Option, Options any](opts []Option, apply func(Option, *Options)) (o Options) {
	for _, opt := range opts {
		apply(opt, &o)
	}
	return o
}

// Tags groups the endpoint in the documentation.
func Tags(tags ...string) EndpointOption {
	return endpointOption(func(o *EndpointOptions) {
		for _, tag := range tags {
			if !slices.Contains(o.Tags, tag) { // the domain may have given it already
				o.Tags = append(o.Tags, tag)
			}
		}
	})
}

// Summary is the endpoint's line in lists of the documentation. Without it, the line is the first sentence of the
// comment above the handler. A raw endpoint has no such comment.
func Summary(text string) EndpointOption {
	return endpointOption(func(o *EndpointOptions) { o.Summary = text })
}

// Produces declares the media types of success, such as "image/png", of an endpoint that answers with [Binary] or is
// raw. Other endpoints answer with JSON: for them it is a start error.
func Produces(mediaTypes ...string) EndpointOption {
	return endpointOption(func(o *EndpointOptions) { o.Produces = append(o.Produces, mediaTypes...) })
}

// Accepts declares the media types of the bodies that an endpoint takes, if it is raw or reads its body by [RawBody]
// alone. For other endpoints the request type says it, and Accepts is a start error. It documents; it refuses no body.
func Accepts(mediaTypes ...string) EndpointOption {
	return endpointOption(func(o *EndpointOptions) { o.Accepts = append(o.Accepts, mediaTypes...) })
}

// Takes declares the request of a raw endpoint, for the documentation: a struct with the tags of a request type. Nothing binds or
// validates it.
func Takes[Req any]() EndpointOption {
	return endpointOption(func(o *EndpointOptions) { o.Takes = reflect.TypeFor[Req]() })
}

// Answers declares the JSON that a raw endpoint answers with, for the documentation. It is the whole answer: to declare
// the envelope, give [Response] of the data.
func Answers[Res any]() EndpointOption {
	return endpointOption(func(o *EndpointOptions) { o.Answers = reflect.TypeFor[Res]() })
}

// Deprecated says that the endpoint will be removed: in the documentation, and in each answer by the headers Deprecation
// (RFC 9745) and Sunset (RFC 8594). From the day since, new programs should not use it. On the day sunset it may be
// gone; the zero [Date] means that this day is not known.
func Deprecated(since, sunset Date) EndpointOption {
	return endpointOption(func(o *EndpointOptions) { o.Deprecated, o.Since, o.Sunset = true, since, sunset })
}

// Hidden keeps the endpoint out of the documentation. It is served like any other.
func Hidden() EndpointOption {
	return endpointOption(func(o *EndpointOptions) { o.Hidden = true })
}

// Status declares the statuses of success. The first is the default, which is 200 without this option;
// the others are those that the handler sets with [SetStatus].
func Status(statuses ...int) EndpointOption {
	return endpointOption(func(o *EndpointOptions) { o.Statuses = append(o.Statuses, statuses...) })
}

// Fails declares the failures the handler answers with, beyond those the host adds by itself.
func Fails(codes ...Code) EndpointOption {
	return endpointOption(func(o *EndpointOptions) { o.Fails = append(o.Fails, codes...) })
}

// BodyLimit sets the largest request body in bytes, instead of the setting's default. A larger one is
// refused with 413, before it is read where its length is declared.
func BodyLimit(bytes int64) EndpointOption {
	return endpointOption(func(o *EndpointOptions) { o.BodyLimit = bytes })
}

// GuardFunc decides whether a request may proceed. It runs before the body is read and must not read it. It returns the
// context for the rest of the request, into which it may have put a principal, or an error made with [Errorf], most
// often [Unauthorized] or [Forbidden]. The context must be made from ctx, which is also the context of r; otherwise that
// is logged as a bug and answered 500. A GuardFunc is called by several goroutines.
type GuardFunc func(ctx context.Context, r *http.Request) (context.Context, error)

// Guard lets fn decide whether a request may proceed. Several guards run in order; the first that refuses ends the
// request.
func Guard(fn GuardFunc) EndpointOption {
	return endpointOption(func(o *EndpointOptions) { o.Guards = append(o.Guards, fn) })
}

// Secured documents the demands of the endpoint's guards: it names security schemes, one of which the caller must
// satisfy. The schemes are defined in docs/docs.go. Secured itself guards nothing; without [Guard] it is a start error.
func Secured(schemes ...string) EndpointOption {
	return endpointOption(func(o *EndpointOptions) { o.Security = append(o.Security, schemes...) })
}

// Idempotent lets callers repeat a request without its taking effect twice, for example after an answer that got lost: the header
// Idempotency-Key (IETF draft-ietf-httpapi-idempotency-key-header) names the request, with 1 to 255 visible ASCII characters. The handler
// does its work in [Once], which says what a repeat is answered. The header is optional; a request without it is handled as usual. A
// success with it and without Once is a bug, which is logged and answered 500.
//
// A key belongs to a principal and a route: two principals may use the same key, and so may two routes. All callers of a [Public] endpoint
// count as one principal, since the host does not know them: whoever sends another's key with the very same request gets the same answer. So
// clients of such an endpoint must make keys that nobody guesses, such as UUIDs of version 4, and its answer must not have what only one
// caller may see. The access rule, guards and [Allow] are asked at each repeat, before the stored answer is looked for. Idempotent is a start error
// for CPU-bound and raw endpoints, for those that answer with [Binary], and for GET and HEAD, which repeat safely.
func Idempotent() EndpointOption {
	return endpointOption(func(o *EndpointOptions) { o.Idempotent = true })
}

// Strict refuses JSON members and query parameters that the request type does not name. Without it they are ignored.
func Strict() EndpointOption {
	return endpointOption(func(o *EndpointOptions) { o.Strict = true })
}

// Open allows open types (any, raw JSON, maps of any) in the response. Without it they are a start error, since they
// cannot be documented or checked.
func Open() EndpointOption {
	return endpointOption(func(o *EndpointOptions) { o.Open = true })
}

// TimeoutOption is what [Timeout] returns: an option of endpoints and of subscriptions.
type TimeoutOption struct{ d time.Duration }

// Timeout sets the time one request, or one run of a subscriber, may take, instead of the setting's
// default. 0 means no deadline; it is for streams and allowed on raw endpoints alone.
func Timeout(d time.Duration) TimeoutOption { return TimeoutOption{d} }

func (t TimeoutOption) applyEndpoint(o *EndpointOptions)   { o.Timeout = &t.d }
func (t TimeoutOption) applySubscribe(o *SubscribeOptions) { o.Timeout = t.d }
