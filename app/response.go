package app

// Response is the envelope of every answer: {"success":…,"data":…,"error":…}. A plugin names its own with
// an alias, for the documentation; the host builds the envelope, Execute returns just T.
type Response[T any] struct {
	// Success tells whether the request was carried out.
	Success bool `json:"success" example:"true"`
	// Data is the result; null on failure.
	Data *T `json:"data"`
	// Error is null on success.
	Error *string `json:"error" extensions:"x-nullable"`
} // @name Response

// Failure is the envelope of every failed answer.
type Failure struct {
	// Success is false.
	Success bool `json:"success" example:"false"`
	// Data is null.
	Data *struct{} `json:"data" swaggertype:"object" extensions:"x-nullable"`
	// Error is a message for people.
	Error string `json:"error" example:"price must be greater than 0"`
	// Code is a stable name for programs.
	Code Code `json:"code" swaggertype:"string" example:"invalid"`
	// Details names every violated rule when the request was invalid.
	Details []Violation `json:"details,omitempty"`
} // @name Failure

// Empty is the result of an operation that has nothing to say: with [Status](204) the answer has no body,
// otherwise data is {}.
type Empty struct{}
