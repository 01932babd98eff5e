package app

// SchemaTeller is implemented by types with a JSON form of their own (MarshalJSON, UnmarshalJSON, MarshalText and the like) that
// tell the documentation what it is.
type SchemaTeller interface {
	// JSONSchema returns a JSON Schema (draft 2020-12) of the form, as JSON text:
	// {"type":"string","pattern":"^[0-9]+\\.[0-9]{2}$"}. It is called on the zero value and must always return the same.
	JSONSchema() string
}
