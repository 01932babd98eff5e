package openapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"plugboard/app"
	"plugboard/infra/host/manifest"
)

// failureSchema is the envelope of every failure.
func failureSchema() *manifest.Schema {
	return &manifest.Schema{
		Description: "What every failed request is answered with.",
		Type:        manifest.Types{"object"}, Required: []string{"success", "data", "error", "code"},
		Properties: map[string]*manifest.Schema{
			"success": {Type: manifest.Types{"boolean"}, Enum: []any{false}},
			"data":    {Type: manifest.Types{"null"}},
			"error":   {Type: manifest.Types{"string"}, Description: "A message for people."},
			"code":    {Type: manifest.Types{"string"}, Description: "A stable name for programs."},
			"details": {
				Type: manifest.Types{"array"}, Description: "Every violated rule, when the request was invalid.",
				Items: &manifest.Schema{Ref: manifest.RefPrefix + "Violation"},
			},
		},
	}
}

// violationSchema is one violated rule of one field.
func violationSchema() *manifest.Schema {
	text := func(about string) *manifest.Schema {
		return &manifest.Schema{Type: manifest.Types{"string"}, Description: about}
	}
	return &manifest.Schema{
		Description: "A violated rule of a field.",
		Type:        manifest.Types{"object"}, Required: []string{"field", "rule", "message"},
		Properties: map[string]*manifest.Schema{
			"field":   text("The field's name, nested names joined by dots: items.0.price."),
			"rule":    text("The name of the rule."),
			"message": text("What would be right, without the field's name."),
		},
	}
}

// messages are example messages of failures, by code.
var messages = map[app.Code]string{
	app.Malformed:            "the body is not valid JSON at byte 12",
	app.Unauthorized:         "the caller is not known",
	app.PaymentRequired:      "the account has nothing left",
	app.Forbidden:            "the caller may not do this",
	app.NotFound:             "there is nothing of this id",
	app.Conflict:             "there is one of this name already",
	app.Gone:                 "this was deleted",
	app.PreconditionFailed:   "this was changed in the meantime",
	app.TooLarge:             "the body is larger than 1048576 bytes",
	app.UnsupportedType:      "the body must be application/json",
	app.RangeNotSatisfiable:  "the range is not within the content",
	app.Misdirected:          "this service does not answer for the host",
	app.Invalid:              "price must be greater than 0",
	app.Locked:               "somebody else is at work on this",
	app.PreconditionRequired: "the request needs the header If-Match",
	app.TooMany:              "too many requests",
	app.Legal:                "this may not be shown here",
	app.Internal:             "internal error",
	app.Unavailable:          "too busy",
	app.TimedOut:             "the request took too long",
	app.StorageFull:          "the storage is full",
}

// failures describes the answers of failure. Operations share the answer of one status and code.
func (w *writer) failures(o *Operation, e manifest.Endpoint) {
	for _, f := range e.Failures {
		name := strings.ReplaceAll(http.StatusText(f.Status), " ", "")
		for _, code := range f.Codes {
			if !slices.Contains(o.Codes, code) {
				o.Codes = append(o.Codes, code)
			}
		}
		if known, ok := w.codes[name]; ok && !slices.Equal(known.Codes, f.Codes) {
			name = strings.Join(append([]string{name}, f.Codes...), "_")
		}
		if _, ok := w.codes[name]; !ok {
			w.codes[name] = f
			w.doc.Components.Responses[name] = failureResponse(f)
		}
		o.Responses[strconv.Itoa(f.Status)] = Response{Ref: "#/components/responses/" + name}
	}
	w.doc.Components.Responses["Failure"] = Response{
		Description: "Any other failure", Content: map[string]Media{jsonType: {Schema: &manifest.Schema{Ref: manifest.RefPrefix + "Failure"}}},
	}
	o.Responses["default"] = Response{Ref: "#/components/responses/Failure"}
}

// Headers that say how limits on requests stand.
const (
	policyHeader = "The limits on requests, such as \"client\";q=100;w=60 for 100 in a minute; see draft-ietf-httpapi-ratelimit-headers"
	quotaHeader  = "How the limits stand, such as \"client\";r=99;t=1: 99 requests are left, and all are there again after a second"
)

// addLimitHeaders describes the headers of an endpoint with limits on requests.
func addLimitHeaders(headers map[string]Header) {
	text := &manifest.Schema{Type: manifest.Types{"string"}}
	headers["RateLimit-Policy"] = Header{Description: policyHeader, Schema: text}
	headers["RateLimit"] = Header{Description: quotaHeader, Schema: text}
}

// failureResponse describes a failure of one status and its codes.
func failureResponse(f manifest.Failure) Response {
	var codes []any
	for _, code := range f.Codes {
		codes = append(codes, code)
	}
	code := app.Code(f.Codes[0])
	example := map[string]any{"success": false, "data": nil, "error": messages[code], "code": code}
	if code == app.Invalid {
		example["details"] = []any{map[string]any{"field": "price", "rule": "gt", "message": "must be greater than 0"}}
	}
	r := Response{
		Description: http.StatusText(f.Status),
		Content: map[string]Media{jsonType: {Example: example, Schema: &manifest.Schema{AllOf: []*manifest.Schema{
			{Ref: manifest.RefPrefix + "Failure"},
			{Type: manifest.Types{"object"}, Properties: map[string]*manifest.Schema{"code": {Type: manifest.Types{"string"}, Enum: codes}}},
		}}}},
	}
	if f.Status == http.StatusTooManyRequests || f.Status == http.StatusServiceUnavailable {
		r.Headers = map[string]Header{"Retry-After": {
			Description: "After how many seconds to try again", Schema: &manifest.Schema{Type: manifest.Types{"integer"}, Minimum: "1"},
		}}
	}
	if f.Status == http.StatusTooManyRequests {
		addLimitHeaders(r.Headers)
	}
	return r
}
