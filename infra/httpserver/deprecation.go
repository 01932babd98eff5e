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
	if x.deprecation == nil {
		return
	}
	h["Deprecation"] = x.deprecation.since
	if x.deprecation.sunset != nil {
		h["Sunset"] = x.deprecation.sunset
	}
}
