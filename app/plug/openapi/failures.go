package openapi

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"plugboard/app"
)

// failureExample is what a failure of some status looks like.
type failureExample struct {
	status  int
	code    app.Code
	message string
}

func failureExamples() []failureExample {
	return []failureExample{
		{http.StatusBadRequest, app.Malformed, "the body is not valid JSON at byte 12"},
		{http.StatusUnauthorized, app.Unauthorized, "the caller is not known"},
		{http.StatusPaymentRequired, app.PaymentRequired, "the account has nothing left"},
		{http.StatusForbidden, app.Forbidden, "the caller may not do this"},
		{http.StatusNotFound, app.NotFound, "there is nothing of this id"},
		{http.StatusRequestTimeout, app.TimedOut, "the body did not arrive in time"},
		{http.StatusConflict, app.Conflict, "there is one of this name already"},
		{http.StatusGone, app.Gone, "this was deleted"},
		{http.StatusPreconditionFailed, app.PreconditionFailed, "this was changed in the meantime"},
		{http.StatusRequestEntityTooLarge, app.TooLarge, "the body is larger than 1048576 bytes"},
		{http.StatusUnsupportedMediaType, app.UnsupportedType, "the body must be application/json"},
		{http.StatusRequestedRangeNotSatisfiable, app.RangeNotSatisfiable, "the range is not within the content"},
		{http.StatusMisdirectedRequest, app.Misdirected, "this service does not answer for the host"},
		{http.StatusUnprocessableEntity, app.Invalid, "price must be greater than 0"},
		{http.StatusLocked, app.Locked, "somebody else is at work on this"},
		{http.StatusPreconditionRequired, app.PreconditionRequired, "the request needs the header If-Match"},
		{http.StatusTooManyRequests, app.TooMany, "too many requests"},
		{http.StatusUnavailableForLegalReasons, app.Legal, "this may not be shown here"},
		{http.StatusInternalServerError, app.Internal, "internal error"},
		{http.StatusServiceUnavailable, app.Unavailable, "too busy"},
		{http.StatusGatewayTimeout, app.TimedOut, "the request took too long"},
		{http.StatusInsufficientStorage, app.StorageFull, "the storage is full"},
	}
}

// shareFailures describes each failure once, with an example of its own, instead of once in every operation. What is
// described in other words than the status' own stays as it is.
func shareFailures(doc *openapi3.T) {
	doc.Components.Responses = openapi3.ResponseBodies{}
	for _, f := range failureExamples() {
		text, status := http.StatusText(f.status), strconv.Itoa(f.status)
		name := strings.ReplaceAll(text, " ", "")
		for _, item := range doc.Paths.Map() {
			for _, op := range item.Operations() {
				ref := op.Responses.Value(status)
				if ref == nil || ref.Value == nil || !isFailure(ref.Value, text) {
					continue
				}
				ref.Value.Content[jsonType].Example = f.body()
				doc.Components.Responses[name] = &openapi3.ResponseRef{Value: ref.Value}
				op.Responses.Set(status, &openapi3.ResponseRef{Ref: "#/components/responses/" + name, Value: ref.Value})
			}
		}
	}
}

func isFailure(r *openapi3.Response, description string) bool {
	content := r.Content[jsonType]
	return len(r.Content) == 1 && content != nil && content.Schema != nil && content.Schema.Ref == schemaRef+"Failure" &&
		r.Description != nil && *r.Description == description && len(r.Headers) == 0
}

func (f failureExample) body() map[string]any {
	body := map[string]any{"success": false, "data": nil, "error": f.message, "code": string(f.code)}
	if f.code == app.Invalid {
		body["details"] = []any{map[string]any{"field": "price", "rule": "gt", "message": "must be greater than 0"}}
	}
	return body
}
