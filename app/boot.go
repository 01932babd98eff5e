package app

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// Boot is how a plugin says what it serves, publishes and subscribes to. Each plugin gets one of its
// own, which knows the plugin's name. Boot only collects: the host checks all registrations together and
// applies them when the application starts. It is for use within OnBoot, by one goroutine.
type Boot struct {
	plugin        PluginInfo
	every         []EndpointOption // of the domain, for each endpoint
	endpoints     []Endpoint
	publications  []Publication
	subscriptions []Subscription
	answers       []Answer
	schedules     []Schedule
	loops         []LoopInfo
	commands      []CommandInfo
}

// GET serves GET and, by itself, HEAD at path.
func (b *Boot) GET(path string, h Handler, opts ...EndpointOption) {
	b.handle(http.MethodGet, path, h, opts)
}

// POST serves POST at path.
func (b *Boot) POST(path string, h Handler, opts ...EndpointOption) {
	b.handle(http.MethodPost, path, h, opts)
}

// PUT serves PUT at path.
func (b *Boot) PUT(path string, h Handler, opts ...EndpointOption) {
	b.handle(http.MethodPut, path, h, opts)
}

// PATCH serves PATCH at path. In the JSON body of a PATCH, an omitted member means "unchanged" and null
// means "cleared"; null is refused (422) unless the field is an [Optional].
func (b *Boot) PATCH(path string, h Handler, opts ...EndpointOption) {
	b.handle(http.MethodPatch, path, h, opts)
}

// DELETE serves DELETE at path.
func (b *Boot) DELETE(path string, h Handler, opts ...EndpointOption) {
	b.handle(http.MethodDelete, path, h, opts)
}

// Raw serves method and path with a Gin handler of the plugin's own. It is the escape hatch for what a
// typed endpoint cannot say: protocols, streams, proxies. The host still gives it the request id, the
// access log, metrics, the deadline, the body limit, guards and panic recovery; binding, validation and
// the envelope are the plugin's. With [Timeout](0) it has no deadline and may stream; it must then end
// when the request's context is done, which happens at once when the application drains.
//
// Headers that a guard set with [SetHeader] are in the answer. The handler itself writes its status and headers with Gin:
// there, [SetStatus] and [SetHeader] change only the answer that the host gives in its place, when the deadline has passed
// and nothing was written. Files of a form that the handler parsed are removed when it returns.
func (b *Boot) Raw(method, path string, h gin.HandlerFunc, opts ...EndpointOption) {
	b.endpoints = append(b.endpoints, Endpoint{
		Plugin: b.plugin, Source: caller(1), Method: method, Path: path, Raw: h, Options: b.optionsOf(opts),
	})
}

func (b *Boot) handle(method, path string, h Handler, opts []EndpointOption) {
	b.endpoints = append(b.endpoints, Endpoint{
		Plugin: b.plugin, Source: caller(2), Method: method, Path: path, Handler: h, Options: b.optionsOf(opts),
	})
}

// optionsOf collects the options of one endpoint, those of its domain first. Its own access rules take the place of the domain's.
func (b *Boot) optionsOf(opts []EndpointOption) EndpointOptions {
	o := collect(b.every, EndpointOption.applyEndpoint)
	inherited := o.Access
	o.Access = nil
	for _, option := range opts {
		option.applyEndpoint(&o)
	}
	if len(o.Access) == 0 {
		o.Access = inherited
	}
	return o
}

// Publishes announces the events this plugin publishes, as zero values. Publishing an event that was not
// announced is an error.
func (b *Boot) Publishes(events ...Event) {
	source := caller(1)
	for _, e := range events {
		b.publications = append(b.publications, Publication{Plugin: b.plugin, Source: source, Event: e})
	}
}

// Subscribe calls s for every event of its topic. The subscription is durable and is named "<plugin>/<topic>" unless
// options say otherwise.
func (b *Boot) Subscribe(s Subscriber, opts ...SubscribeOption) {
	b.subscriptions = append(b.subscriptions, Subscription{
		Plugin: b.plugin, Source: caller(1), Subscriber: s, Options: collect(opts, SubscribeOption.applySubscribe),
	})
}

// Answer lets r answer the queries of its topic. A topic has at most one responder.
func (b *Boot) Answer(r Responder) {
	b.answers = append(b.answers, Answer{Plugin: b.plugin, Source: caller(1), Responder: r})
}
