package openapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"plugboard/infra/host/manifest"
)

// Current compares the document that was built in with the registrations. When they agree, it returns the document as it
// is. Otherwise the document is stale: Current writes another one, with the old texts of those operations that are still
// there.
func Current(built []byte, service manifest.Service) (document []byte, stale bool, err error) {
	var old Document
	if err := json.Unmarshal(built, &old); err != nil {
		old = Document{}
	}
	old.Info.Title, old.Info.Version = cmp.Or(old.Info.Title, "API"), cmp.Or(old.Info.Version, "0.0.0")
	about := About{Info: old.Info, SecuritySchemes: old.Components.SecuritySchemes}
	// In this case plug docs refuses to write a document, so that a developer mends the cause. A running service shows
	// the closest document.
	service.Components.Conflicts = nil
	service.Endpoints = withKnownSecurity(service.Endpoints, securitySchemes(service, about))
	document, err = Write(service, about, wordsOf(old))
	if err != nil {
		return built, false, err
	}
	before, err := withoutWords(built)
	if err != nil {
		return document, true, nil //nolint:nilerr // what cannot be read says nothing
	}
	now, err := withoutWords(document)
	if err != nil || bytes.Equal(before, now) {
		return built, false, err
	}
	return document, true, nil
}

// withKnownSecurity removes security schemes that nobody has defined.
func withKnownSecurity(endpoints []manifest.Endpoint, schemes map[string]any) []manifest.Endpoint {
	endpoints = slices.Clone(endpoints)
	for i := range endpoints {
		endpoints[i].Security = slices.DeleteFunc(slices.Clone(endpoints[i].Security), func(name string) bool { return schemes[name] == nil })
	}
	return endpoints
}

// withoutWords removes everything from a document that comes from comments.
func withoutWords(document []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var m map[string]any
	if err := decoder.Decode(&m); err != nil {
		return nil, fmt.Errorf("read openapi: %w", err)
	}
	delete(m, "info")
	silence(m)
	return json.Marshal(m)
}

// silence removes the texts from an object of a document, and the headers that only comments describe.
func silence(value any) {
	switch value := value.(type) {
	case map[string]any:
		for _, name := range []string{"summary", "description"} {
			if _, isText := value[name].(string); isText {
				delete(value, name)
			}
		}
		if isAnswer(value) {
			delete(value, "headers")
		}
		for _, part := range value {
			silence(part)
		}
	case []any:
		for _, part := range value {
			silence(part)
		}
	}
}

// isAnswer reports whether an object of a document is an answer with a body. A type may have members called headers and
// content as well.
func isAnswer(object map[string]any) bool {
	content, _ := object["content"].(map[string]any)
	for name := range content {
		if !strings.Contains(name, "/") {
			return false
		}
	}
	return len(content) > 0
}

// oldWords are the texts of a document, by the IDs of operations and the names of tags.
type oldWords struct {
	operations map[string]Words
	tags       map[string]string
}

// wordsOf collects the texts of a document.
func wordsOf(doc Document) oldWords {
	all := oldWords{operations: map[string]Words{}, tags: map[string]string{}}
	for _, tag := range doc.Tags {
		all.tags[tag.Name] = tag.Description
	}
	for _, path := range doc.Paths {
		for _, o := range path {
			w := Words{Summary: o.Summary, Parameters: map[string]string{}, Answers: map[int]string{}}
			// The paragraphs below the first one were written from the registrations.
			w.Description, _, _ = strings.Cut(o.Description, "\n\n")
			for _, written := range []string{checked, deprecated, needs} {
				if strings.HasPrefix(w.Description, written) {
					w.Description = ""
				}
			}
			for _, p := range o.Parameters {
				w.Parameters[p.Name] = p.Description
			}
			for status, r := range o.Responses {
				if n, err := strconv.Atoi(status); err == nil && n < http.StatusBadRequest {
					w.Answers[n] = r.Description
				}
			}
			all.operations[o.OperationID] = w
		}
	}
	return all
}

// Operation implements [Texts].
func (w oldWords) Operation(e manifest.Endpoint) Words { return w.operations[e.ID] }

// Declaration implements [Texts]. The document does not say which declaration a text came from.
func (oldWords) Declaration(string) string { return "" }

// Tag implements Texts.
func (w oldWords) Tag(name string) string { return w.tags[name] }
