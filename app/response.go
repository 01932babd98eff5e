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

// Page is the result of a list endpoint.
type Page[T any] struct {
	// Items are the entries of this page.
	Items []T `json:"items"`
	// Total counts all entries, on every page.
	Total int64 `json:"total" example:"1"`
	// Limit is the page size that was used.
	Limit int `json:"limit" example:"20"`
	// Offset is the number of entries skipped.
	Offset int `json:"offset" example:"0"`
}

// NewPage returns the page of items that query asked for, of total entries in all. A nil items is an
// empty list, never null.
func NewPage[T any](items []T, total int64, query PageQuery) Page[T] {
	if items == nil {
		items = []T{}
	}
	return Page[T]{Items: items, Total: total, Limit: query.Limit, Offset: query.Offset}
}

// PageQuery is embedded in the request of a list endpoint and gives it limit (1 to 100, default 20) and
// offset (0 or more, default 0). Out of range is refused with 422.
type PageQuery struct {
	// Limit is the most entries to return.
	Limit int `form:"limit" default:"20" binding:"min=1,max=100" example:"20"`
	// Offset is the number of entries to skip.
	Offset int `form:"offset" default:"0" binding:"min=0" example:"0"`
}
