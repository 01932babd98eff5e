package docs

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"plugboard/app/plug/annotate"
	"plugboard/infra/host/manifest"
	"plugboard/infra/host/openapi"
)

// OpenAPI returns docs/openapi.json: the service's manifest with the comments of the sources. The title, version, license
// and security schemes come from docs/docs.go by way of swag's document.
func (p *Project) OpenAPI(swagger []byte) ([]byte, error) {
	about, err := aboutOf(swagger)
	if err != nil {
		return nil, err
	}
	words, err := annotate.Words(p.Sources, p.service.Endpoints)
	if err != nil {
		return nil, err
	}
	return openapi.Write(p.service, about, sources{comments: p.comments, words: words, service: p.service, from: p.Sources})
}

// CheckManifest returns the mistakes that no document could express: examples of another type than their field or not
// among its choices, and types of one name. It runs before swag, whose messages would hide them.
func CheckManifest(service manifest.Service) error {
	var problems []error
	for _, conflict := range service.Components.Conflicts {
		problems = append(problems, errors.New(conflict))
	}
	check := func(s *manifest.Schema) {
		for _, example := range s.Examples {
			if !fits(example, s) {
				problems = append(problems, fmt.Errorf("the example %q of %s is no %s that the field can have", fmt.Sprint(example), s.Comment, s.Type.Main()))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(service.Components.Schemas)) {
		service.Components.Schemas[name].Walk(check)
	}
	for _, e := range service.Endpoints {
		for _, p := range e.Parameters {
			p.Schema.Walk(check)
		}
	}
	return errors.Join(problems...)
}

// fits reports whether an example is of the type of its schema and, where there are some, one of its choices.
func fits(example any, s *manifest.Schema) bool {
	text := fmt.Sprint(example)
	if len(s.Enum) > 0 && !slices.ContainsFunc(s.Enum, func(value any) bool { return fmt.Sprint(value) == text }) {
		return false
	}
	switch s.Type.Main() {
	case "integer":
		_, isNumber := example.(json.Number)
		return isNumber && !strings.ContainsAny(text, ".eE")
	case "number":
		_, isNumber := example.(json.Number)
		return isNumber
	case "boolean":
		_, isBool := example.(bool)
		return isBool
	default:
		return true
	}
}

// sources are the texts in the sources.
type sources struct {
	comments annotate.Comments
	words    map[string]openapi.Words
	service  manifest.Service
	from     annotate.Sources
}

// Operation implements openapi.Texts.
func (s sources) Operation(e manifest.Endpoint) openapi.Words { return s.words[e.ID] }

// Declaration implements openapi.Texts.
func (s sources) Declaration(name string) string { return s.comments.Text(annotate.Declared(name)) }

// Tag implements openapi.Texts: it returns the package comment of the domain whose endpoints have the tag.
func (s sources) Tag(name string) string {
	for _, e := range s.service.Endpoints {
		if slices.Contains(e.Tags, name) {
			_, plugins, _ := s.from.File(e.Source) // domains/orders/plugins
			text := s.comments.Package(path.Dir(plugins))
			if _, about, ok := strings.Cut(text, "domain: "); ok { // "The products domain: what it is"
				text = strings.ToUpper(about[:1]) + about[1:]
			}
			return text
		}
	}
	return ""
}

// aboutOf reads the description of the service in docs/docs.go.
func aboutOf(swagger []byte) (openapi.About, error) {
	var old struct {
		Info    openapi.Info              `json:"info"`
		Schemes map[string]map[string]any `json:"securityDefinitions"`
	}
	if err := json.Unmarshal(swagger, &old); err != nil {
		return openapi.About{}, fmt.Errorf("read swag's document: %w", err)
	}
	about := openapi.About{Info: old.Info, SecuritySchemes: map[string]any{}}
	if l := about.Info.License; l != nil && l.URL == "" {
		l.Identifier = l.Name // an SPDX expression, such as MIT
	}
	for name, scheme := range old.Schemes {
		about.SecuritySchemes[name] = schemeOf(name, scheme)
	}
	return about, nil
}

// schemeOf converts a security scheme of Swagger 2.0 to OpenAPI 3. Swagger 2.0 cannot express a bearer token; there it
// is a key called bearer, in the header Authorization.
func schemeOf(name string, old map[string]any) map[string]any {
	scheme := map[string]any{}
	for _, key := range []string{"type", "name", "in", "description"} {
		if value, ok := old[key]; ok {
			scheme[key] = value
		}
	}
	switch {
	case old["type"] == "basic":
		scheme["type"], scheme["scheme"] = "http", "basic"
	case name == "bearer" && old["name"] == "Authorization":
		delete(scheme, "name")
		delete(scheme, "in")
		scheme["type"], scheme["scheme"] = "http", "bearer"
	case old["type"] == "oauth2":
		flow := map[string]any{"scopes": map[string]any{}}
		for _, key := range []string{"authorizationUrl", "tokenUrl", "scopes"} {
			if value, ok := old[key]; ok {
				flow[key] = value
			}
		}
		names := map[any]string{"application": "clientCredentials", "accessCode": "authorizationCode", "implicit": "implicit", "password": "password"}
		scheme["flows"] = map[string]any{names[old["flow"]]: flow}
	}
	return scheme
}
