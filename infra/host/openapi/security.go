package openapi

import (
	"fmt"
	"maps"

	"plugboard/infra/host/manifest"
)

// securitySchemes returns the schemes that docs/docs.go defines, and those of the service's authenticator, which count where both have a
// name.
func securitySchemes(service manifest.Service, about About) map[string]any {
	all := maps.Clone(about.SecuritySchemes)
	if all == nil {
		all = map[string]any{}
	}
	for _, s := range service.SecuritySchemes {
		scheme := map[string]any{}
		for key, value := range map[string]string{
			"type": s.Type, "description": s.Description, "scheme": s.Scheme, "bearerFormat": s.Format, "in": s.In, "name": s.Key,
			"openIdConnectUrl": s.URL,
		} {
			if value != "" {
				scheme[key] = value
			}
		}
		all[s.Name] = scheme
	}
	return all
}

// secure says who may call an operation.
func (w *writer) secure(o *Operation, e manifest.Endpoint) {
	o.Permission, o.Fresh = e.Permission, e.Fresh
	for _, name := range e.Security {
		o.Security = append(o.Security, map[string][]string{name: {}})
		if w.doc.Components.SecuritySchemes[name] == nil {
			w.problems = append(w.problems, fmt.Errorf("plugin %s (%s): the security scheme %s is not defined: say in docs/docs.go what it is, as in "+
				"@securityDefinitions.apikey %[3]s, @in header, @name Authorization", e.Plugin, e.Source, name))
		}
	}
}

// describeAccess says in a paragraph who may call an endpoint, "" where everybody may.
func describeAccess(e manifest.Endpoint) string {
	var text string
	switch e.Access {
	case "can":
		text = needs + "the permission `" + e.Permission + "`"
	case "signed_in":
		text = needs + "a caller who is known"
	default:
		return ""
	}
	if e.Fresh != "" {
		text += ", and a sign-in of the last " + e.Fresh
	}
	return text + "."
}
