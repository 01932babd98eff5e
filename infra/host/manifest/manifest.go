// Package manifest has the types of the service's manifest, which says before the start what the service consists of.
//
// The host makes a [Service]; the commands "describe" and "routes --json" print it as JSON; [Parse] reads it again. All
// documents are written from it. The types are data: nothing in the package runs anything.
package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Service is all that the service knows of itself before it starts.
type Service struct {
	Domains   []Domain   `json:"domains"`
	Endpoints []Endpoint `json:"endpoints"`
	// Components has the schemas that others refer to.
	Components Components `json:"components"`
	Events     Events     `json:"events"`
	Loops      []Loop     `json:"loops,omitempty"`
	// SecuritySchemes are the ways in which callers tell who they are, none where nobody can sign in.
	SecuritySchemes []SecurityScheme `json:"security_schemes,omitempty"`
	Settings        []Setting        `json:"settings"`
	Commands        []Command        `json:"commands"`
}

// Parse reads what "describe" has printed.
func Parse(text []byte) (Service, error) {
	var s Service
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // numbers stay as they are written
	if err := decoder.Decode(&s); err != nil {
		return s, fmt.Errorf("read manifest of the service: %w", err)
	}
	return s, nil
}

// Components are the schemas of named types, by name.
type Components struct {
	Schemas map[string]*Schema `json:"schemas"`
	// Forms are the JSON types of Go types with a JSON form of their own, by the types' full names.
	Forms map[string]string `json:"forms,omitempty"`
	// Conflicts tell of types that would have one name.
	Conflicts []string `json:"conflicts,omitempty"`
}

// Domain is a listed domain. Plugins outside of a domain belong to one without a name.
type Domain struct {
	Name    string   `json:"name"`
	Source  string   `json:"source"`
	Plugins []Plugin `json:"plugins"`
	Tables  []Table  `json:"tables"`
	// Permissions are what the domain's callers may be allowed.
	Permissions []Permission `json:"permissions,omitempty"`
}

// Permission is a permission that endpoints may ask for.
type Permission struct {
	Name string `json:"name"`
	// Meaning says what it lets somebody do.
	Meaning string `json:"meaning"`
	Source  string `json:"source"`
}

// SecurityScheme is a way in which callers tell who they are; the members are those of OpenAPI's Security Scheme Object.
type SecurityScheme struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Description string `json:"description,omitzero"`
	Scheme      string `json:"scheme,omitzero"`
	Format      string `json:"format,omitzero"`
	In          string `json:"in,omitzero"`
	Key         string `json:"key,omitzero"`
	URL         string `json:"url,omitzero"`
}

// Plugin is a listed plugin.
type Plugin struct {
	Name string `json:"name"`
	// Source is where it is declared, as "file:line" from the module's root; so are all other sources.
	Source  string `json:"source"`
	Package string `json:"package"`
	Struct  string `json:"struct"`
	// Needs are the types of what the constructor asks for.
	Needs []string `json:"needs"`
}

// Loop runs in the background of the service.
type Loop struct {
	// Name names the loop among all loops: "<plugin>/<name>", or the name alone for a loop of the service's own.
	Name string `json:"name"`
	// Plugin is empty for a loop of the service's own.
	Plugin string `json:"plugin,omitzero"`
	Source string `json:"source"`
}

// Table is the table of an entity.
type Table struct {
	Name    string   `json:"name"`
	Package string   `json:"package"`
	Struct  string   `json:"struct"`
	Columns []Column `json:"columns"`
	Uniques []string `json:"uniques"`
}

// Column is a column of a table.
type Column struct {
	Name  string `json:"name"`
	Field string `json:"field"`
	Type  string `json:"type"`
	Key   bool   `json:"key,omitzero"`
	Null  bool   `json:"null,omitzero"`
}

// Setting is a setting of the service.
type Setting struct {
	Key     string `json:"key"`
	Env     string `json:"env"`
	Default string `json:"default"`
	Wanted  string `json:"wanted"`
	// Secret says that the value is never shown, and may be given by a file that the variable Env+"_FILE" names.
	Secret bool `json:"secret,omitzero"`
	// Package and Field name the Go field of a domain's setting, such as "MailSettings.Host"; they are empty for the host's.
	Package string `json:"package,omitzero"`
	Field   string `json:"field,omitzero"`
}

// Command is a command of the binary.
type Command struct {
	Use   string `json:"use"`
	Short string `json:"short"`
}
