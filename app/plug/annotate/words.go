package annotate

import (
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"

	"plugboard/infra/host/manifest"
	"plugboard/infra/host/openapi"
)

// Words returns the texts of endpoints in the annotated files, by the endpoints' IDs, for documents that need no swag.
func Words(from Sources, endpoints []manifest.Endpoint) (map[string]openapi.Words, error) {
	all := map[string]openapi.Words{}
	docs := newFieldDocs(from)
	files := map[string]source{}
	var problems []error
	for _, e := range endpoints {
		if e.Hidden {
			continue
		}
		file, _, _ := from.File(e.Source)
		s, known := files[file]
		if !known {
			var err error
			if s, err = readSource(file); err != nil {
				problems = append(problems, err)
				continue
			}
			files[file] = s
		}
		words, err := s.words(e, docs)
		if err != nil {
			problems = append(problems, fmt.Errorf("read %s: %w", file, err))
			continue
		}
		all[e.ID] = words
	}
	return all, errors.Join(problems...)
}

func readSource(file string) (source, error) {
	s := source{fset: token.NewFileSet()}
	text, err := os.ReadFile(file) //nolint:gosec // the service names the file
	if err != nil {
		return s, fmt.Errorf("read plugin: %w", err)
	}
	if s.file, err = parser.ParseFile(s.fset, file, text, parser.ParseComments|parser.SkipObjectResolution); err != nil {
		return s, fmt.Errorf("parse %s: %w", file, err)
	}
	return s, nil
}

// words returns the texts above the handler of an endpoint.
func (s source) words(e manifest.Endpoint, docs *fieldDocs) (openapi.Words, error) {
	handler, err := s.handler(e)
	if err != nil {
		return openapi.Words{}, err
	}
	b := s.block(handler, e, docs)
	said := b.said()
	w := openapi.Words{Summary: said.summary, Description: strings.Join(said.descriptions, " "), Parameters: map[string]string{}, Answers: map[int]string{}}
	for _, p := range e.Parameters {
		if text := b.old.params[p.Name]; text != "" && quote(text) != quote(b.describe(p)) { // written by hand
			w.Parameters[p.Name] = text
		}
	}
	if text := b.old.params["body"]; text != "" {
		w.Parameters["body"] = text
	}
	for status, row := range b.old.success {
		if n, err := strconv.Atoi(status); err == nil && row[2] != "" {
			w.Answers[n] = strings.Trim(row[2], `"`)
		}
	}
	for _, row := range b.old.headers {
		w.Headers = append(w.Headers, headerWords(row))
	}
	return w, nil
}

// headerWords reads a line that describes a header: @Header, the statuses, {type}, the name, the description.
func headerWords(row []string) openapi.HeaderWords {
	const statuses, typ, name, about = 1, 2, 3, 4
	if len(row) <= name {
		return openapi.HeaderWords{}
	}
	h := openapi.HeaderWords{Name: row[name], Type: strings.Trim(row[typ], "{}")}
	for text := range strings.SplitSeq(row[statuses], ",") {
		if n, err := strconv.Atoi(text); err == nil {
			h.Statuses = append(h.Statuses, n)
		}
	}
	if len(row) > about {
		h.About = strings.Trim(row[about], `"`)
	}
	return h
}
