// Package clients holds tests that see the service as its clients do: from outside, through what it says of itself. A
// client is generated from its OpenAPI document and talks to it; a browser shows its page of documentation and makes a
// request there. The package is a module of its own, so that what the tests need is not required by the service.
package clients
