// Package clients tests the service from outside, as its clients see it.
//
// A client is generated from the service's OpenAPI document and talks to it; a browser shows its page of documentation and
// makes a request there. The package is a module of its own, so that the service does not require what the tests need.
package clients
