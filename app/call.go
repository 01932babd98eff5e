package app

import (
	"context"
	"net/http"
	"net/netip"

	"go.uber.org/zap"
)

// SetStatus overrides the HTTP status of the answer. A status of 400 or more changes that of a failure;
// one below 400 changes that of a success. A status of 400 or more on an answer without an error is a
// bug, which is logged and answered 500. Outside a request SetStatus does nothing.
func SetStatus(ctx context.Context, status int) {
	if c := CallFrom(ctx); c != nil {
		c.SetStatus(status)
	}
}

// SetHeader sets a header of the answer, for example Location. It replaces earlier values of the header. The host
// overwrites the headers that it owns (Content-Type, Content-Length, X-Request-ID and the like). Outside a request
// SetHeader does nothing.
func SetHeader(ctx context.Context, key, value string) {
	if c := CallFrom(ctx); c != nil {
		c.changeHeader(func(h http.Header) { h.Set(key, value) })
	}
}

// AddHeader adds a value to a header of the answer, beside those it has: a second Link, for example. See [SetHeader].
func AddHeader(ctx context.Context, key, value string) {
	if c := CallFrom(ctx); c != nil {
		c.changeHeader(func(h http.Header) { h.Add(key, value) })
	}
}

// RequestID returns the id of the request that caused the current work, or "".
func RequestID(ctx context.Context) string {
	if c := CallFrom(ctx); c != nil {
		return c.RequestID
	}
	return ""
}

// ClientAddress returns the network address from which the request came, without a port, or "" outside of a request. Behind a proxy it is the
// proxy's, unless APP_HTTP_TRUSTED_PROXIES names that.
func ClientAddress(ctx context.Context) string {
	if c := CallFrom(ctx); c != nil {
		return c.Client
	}
	return ""
}

// ClientNetwork returns the network of [ClientAddress], to count by what a client does: an address of IPv4 by itself, one of IPv6 with its /64, since
// that is what one household or machine gets, and more addresses in it cost nothing. It is the zero Prefix where the address is none.
func ClientNetwork(ctx context.Context) netip.Prefix { return NetworkOf(ClientAddress(ctx)) }

// PluginName returns the name of the plugin that handles the current work, or "".
func PluginName(ctx context.Context) string {
	if c := CallFrom(ctx); c != nil {
		return c.Plugin
	}
	return ""
}

// Logger returns logger with the request id of the current work added, where there is one, and with the ID of the principal who caused
// the work, where one is known. In a subscriber both are those of the request at the beginning of the chain. The fields are request_id
// and principal.
func Logger(ctx context.Context, logger *zap.Logger) *zap.Logger {
	c := CallFrom(ctx)
	if c == nil {
		return logger
	}
	id, principal := c.RequestID, c.CausedBy()
	switch {
	case id == "" && principal == "":
		return logger
	case principal == "":
		return logger.With(zap.String("request_id", id))
	default:
		return logger.With(zap.String("request_id", id), zap.String("principal", principal))
	}
}

// Reserve asks for n bytes before a handler allocates them: when the service has no room for them it returns the error to
// answer with, and otherwise the host takes the bytes back by itself when the request or the delivery ends.
//
// It is for large work, some hundred kilobytes and more: a decoded image, a file that is loaded whole. The host has already
// reserved the request's body, and reserves binary answers. The error is [Unavailable], for which the caller is told when
// to try again, or [TooLarge] when n is more than the service may ever use. In a job, use [Job]'s Reserve.
func Reserve(ctx context.Context, n int64) error {
	if c := CallFrom(ctx); c != nil {
		return c.Reserve(n)
	}
	return nil
}
