package agree

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// problem sends the request and says where document and service disagree; "" when they agree. Success tells that the service took it.
func (r request) problem(s Service) (problem string, success bool) {
	a, allowed := r.send(s), r.allowed()
	if problem := r.op.undescribed(a); problem != "" {
		return problem, false
	}
	if a.code == http.StatusUnauthorized || a.code == http.StatusForbidden {
		return "", false // a guard comes before everything that a document says of the request
	}
	success = a.code < http.StatusBadRequest
	refused := a.code == http.StatusBadRequest || a.code == http.StatusUnprocessableEntity
	switch {
	case a.code >= http.StatusInternalServerError:
		return fmt.Sprintf("answered %d: %s", a.code, a.body), false
	case !allowed && !refused:
		return fmt.Sprintf("the document refuses it, and the service answers %d: %.300s", a.code, a.body), success
	case !allowed && r.changed && a.code == http.StatusUnprocessableEntity && !answered(a, r.place):
		return fmt.Sprintf("the document refuses %q, and the service something else: %s", r.place, a.body), false
	case allowed && refused:
		return r.op.unlisted(a), false
	}
	return "", success
}

// violation is a violated rule in an answer.
type violation struct{ Field, Rule, Message string }

func violationsOf(a answer) []violation {
	var failure struct{ Details []violation }
	if err := json.Unmarshal([]byte(a.body), &failure); err != nil {
		return nil
	}
	return failure.Details
}

// answered reports whether a refusal is about a field, or about what it is within or has within.
func answered(a answer, place string) bool {
	return place == "" || slices.ContainsFunc(violationsOf(a), func(v violation) bool {
		return v.Field == "body" || v.Field == place || strings.HasPrefix(place, v.Field+".") || strings.HasPrefix(v.Field, place+".")
	})
}

// ownRules are those that no Validate method has: the host's.
var ownRules = []string{"type", "null", "nul", "unknown", "single", "required", "min", "max", "gt", "gte", "lt", "lte", "len", "oneof", "any_of", "unique"}

// unlisted says by which rule the service refuses what the document allows, unless x-rules lists it.
func (o *endpoint) unlisted(a answer) string {
	all := violationsOf(a)
	for _, v := range all {
		if !o.lists(v.Field, v.Rule) && (!o.lists("", "validate") || slices.Contains(ownRules, v.Rule)) {
			return fmt.Sprintf("the document allows it, and the service refuses %s by the rule %s, which is not listed: %s", v.Field, v.Rule, a.body)
		}
	}
	if len(all) == 0 {
		return fmt.Sprintf("the document allows it, and the service answers %d: %s", a.code, a.body)
	}
	return ""
}

// undescribed says what of an answer is not in the document.
func (o *endpoint) undescribed(a answer) string {
	response, ok := o.responses[strconv.Itoa(a.code)]
	if !ok && a.code >= http.StatusBadRequest && slices.Contains(o.doc.othersFail, o.id) {
		response, ok = o.responses["default"]
	}
	if !ok {
		return fmt.Sprintf("answered %d, which is not described: %s", a.code, a.body)
	}
	media, _, _ := strings.Cut(a.head.Get("Content-Type"), ";")
	if len(response.content) == 0 {
		if a.body != "" {
			return fmt.Sprintf("answered %d with a body, which is not described: %s", a.code, a.body)
		}
		return ""
	}
	described, ok := response.content[media]
	if !ok {
		described, ok = response.content["*/*"]
	}
	switch {
	case !ok:
		return fmt.Sprintf("answered %d with %q, which is not described", a.code, media)
	case described == nil:
		return ""
	}
	var body any
	if err := decode(a.body, &body); err != nil {
		return err.Error()
	}
	if err := described.check.Validate(body); err != nil {
		return fmt.Sprintf("the answer %s is not as described: %s", a.body, err)
	}
	return ""
}
