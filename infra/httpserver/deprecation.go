package httpserver

import (
	"net/http"
	"strconv"
	"time"

	"plugboard/app"
)

// deprecation is what the answers of a deprecated endpoint tell: the headers Deprecation (RFC 9745) and Sunset (RFC 8594).
type deprecation struct{ since, sunset []string }

// newDeprecation returns nil for an endpoint that is not deprecated.
func newDeprecation(o app.EndpointOptions) *deprecation {
	if o.Since.IsZero() {
		return nil
	}
	d := &deprecation{since: []string{"@" + strconv.FormatInt(o.Since.In(time.UTC).Unix(), 10)}}
	if !o.Sunset.IsZero() {
		d.sunset = []string{o.Sunset.In(time.UTC).Format(http.TimeFormat)}
	}
	return d
}

// setDeprecation sets the headers of a deprecated endpoint.
func (x *exchange) setDeprecation(h http.Header) {
	if x.endpoint == nil || x.endpoint.deprecation == nil {
		return
	}
	h["Deprecation"] = x.endpoint.deprecation.since
	if sunset := x.endpoint.deprecation.sunset; sunset != nil {
		h["Sunset"] = sunset
	}
}
