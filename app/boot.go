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
	endpoints     []Endpoint
	publications  []Publication
	subscriptions []Subscription
	answers       []Answer
	schedules     []Schedule
}

// Endpoint is a registered HTTP endpoint, for the host.
type Endpoint struct {
	Plugin PluginInfo
	// Source is where the endpoint was registered, as "file:line".
	Source string
	Method string
	// Path is in Gin's form: "/products/:id".
	Path string
	// Handler is the typed handler; it is the zero Handler for a raw endpoint.
	Handler Handler
	// Raw is the Gin handler of an endpoint registered with [Boot.Raw], otherwise nil.
	Raw gin.HandlerFunc
	// Options are the endpoint's options, with their defaults filled in by nobody: zero means
	// "not given".
	Options EndpointOptions
}

// Publication is an event type that a plugin announced to publish, for the host.
type Publication struct {
	Plugin PluginInfo
	Source string
	Event  Event
}

// Subscription is a registered event subscriber, for the host.
type Subscription struct {
	Plugin     PluginInfo
	Source     string
	Subscriber Subscriber
	Options    SubscribeOptions
}

// Answer is a registered responder to a query, for the host.
type Answer struct {
	Plugin    PluginInfo
	Source    string
	Responder Responder
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
		Plugin: b.plugin, Source: caller(1), Method: method, Path: path, Raw: h, Options: endpointOptions(opts),
	})
}

func (b *Boot) handle(method, path string, h Handler, opts []EndpointOption) {
	b.endpoints = append(b.endpoints, Endpoint{
		Plugin: b.plugin, Source: caller(2), Method: method, Path: path, Handler: h, Options: endpointOptions(opts),
	})
}

// Publishes announces the events this plugin publishes, as zero values. Publishing an event that was not
// announced is an error.
func (b *Boot) Publishes(events ...Event) {
	source := caller(1)
	for _, e := range events {
		b.publications = append(b.publications, Publication{Plugin: b.plugin, Source: source, Event: e})
	}
}

// Subscribe has s called for every event of its topic. The subscription is durable and is named
// "<plugin>/<topic>" unless options say otherwise.
func (b *Boot) Subscribe(s Subscriber, opts ...SubscribeOption) {
	b.subscriptions = append(b.subscriptions, Subscription{
		Plugin: b.plugin, Source: caller(1), Subscriber: s, Options: subscribeOptions(opts),
	})
}

// Answer has r answer the queries of its topic. A topic has at most one responder.
func (b *Boot) Answer(r Responder) {
	b.answers = append(b.answers, Answer{Plugin: b.plugin, Source: caller(1), Responder: r})
}

// Plugin describes the plugin that is being booted; for the host.
func (b *Boot) Plugin() PluginInfo { return b.plugin }

// Endpoints returns what was registered, in order; for the host. The same holds for
// [Boot.Publications], [Boot.Subscriptions] and [Boot.Answers].
func (b *Boot) Endpoints() []Endpoint { return b.endpoints }

// Publications returns the announced events; for the host.
func (b *Boot) Publications() []Publication { return b.publications }

// Subscriptions returns the registered subscribers; for the host.
func (b *Boot) Subscriptions() []Subscription { return b.subscriptions }

// Answers returns the registered responders; for the host.
func (b *Boot) Answers() []Answer { return b.answers }
