package app

import (
	"context"
	"reflect"
	"strings"
	"sync/atomic"
	"time"
)

// PublishOptions are the collected options of one publish, for the host.
type PublishOptions struct {
	Delay   time.Duration
	Headers map[string]string
}

// NewPublishOptions collects opts; for implementations of [Bus].
func NewPublishOptions(opts []PublishOption) PublishOptions {
	return collect(opts, PublishOption.applyPublish)
}

// Topic returns the topic subscribed to; "" when the event type is not a struct; for the host.
func (s Subscriber) Topic() string { return s.topic }

// EventType returns the subscriber's event struct type; for the host.
func (s Subscriber) EventType() reflect.Type { return s.event }

// Tx reports whether s was made with [OnTx]; for the host.
func (s Subscriber) Tx() bool { return s.tx }

// IsZero reports whether s was made by neither [On] nor [OnTx]; for the host.
func (s Subscriber) IsZero() bool { return s.call == nil }

// New returns a pointer to a zero event; for the host.
func (s Subscriber) New() any { return s.fresh() }

// Call runs the subscriber with event, a pointer that New returned. The caller must not use the event afterwards: the
// subscriber uses its memory again; for the host.
func (s Subscriber) Call(ctx context.Context, event any) error { return s.call(ctx, event) }

// DeliverySource is the delivery behind the context of a handler; for the host.
type DeliverySource interface {
	// Delivery describes the delivery.
	Delivery() Delivery
	// Complete does what the function [Complete] describes.
	Complete(ctx context.Context) error
	// NewCall returns the call of the handler's plugin.
	NewCall() *Call
}

type deliveryKey struct{}

// DeliveryContext is the context of a handler: it carries a [Call] and the delivery. It is a struct, so that the event
// bus can make it part of a larger allocation; for the host.
type DeliveryContext struct {
	context.Context
	source DeliverySource
	// call is made at the first use. A handler that neither publishes nor uses the database has no use for one.
	call atomic.Pointer[Call]
}

// Init makes c the context of a handler for the delivery of source, under ctx. It is called once, before c is used.
func (c *DeliveryContext) Init(ctx context.Context, source DeliverySource) {
	c.Context, c.source = ctx, source
}

// Value implements context.Context.
func (c *DeliveryContext) Value(key any) any {
	switch key.(type) {
	case callKey:
		if c.call.Load() == nil {
			c.call.CompareAndSwap(nil, c.source.NewCall())
		}
		return c.call.Load()
	case deliveryKey:
		return c.source
	default:
		return c.Context.Value(key)
	}
}

// End gives back the bytes that the handler has reserved; for the host, after the handler has returned.
func (c *DeliveryContext) End() {
	if call := c.call.Load(); call != nil {
		call.End()
	}
}

// WithDelivery returns the context of a handler for the delivery of source; for the host.
func WithDelivery(ctx context.Context, source DeliverySource) context.Context {
	c := &DeliveryContext{}
	c.Init(ctx, source)
	return c
}

// MailKey returns what a Message-ID is made of: the key of m, or what [Mail] says of a subscriber's mail without one, or "".
// The recipients are part of neither; for the host.
func MailKey(ctx context.Context, m Mail) string {
	if m.Key != "" {
		return m.Key
	}
	d, ok := DeliveryFrom(ctx)
	if !ok || d.EventID == "" {
		return ""
	}
	return strings.Join([]string{d.EventID, d.Subscription, m.Subject}, "/")
}

// Topic returns the topic answered; "" when the query type is not a struct; for the host.
func (r Responder) Topic() string { return r.topic }

// QueryType returns the responder's query struct type; for the host.
func (r Responder) QueryType() reflect.Type { return r.query }

// AnswerType returns the responder's answer type; for the host.
func (r Responder) AnswerType() reflect.Type { return r.answer }

// IsZero reports whether r was not made with [Reply]; for the host.
func (r Responder) IsZero() bool { return r.call == nil }

// New returns a pointer to a zero query; for the host.
func (r Responder) New() any { return r.fresh() }

// Call runs the responder with query, a pointer that New returned, and returns a pointer to its answer;
// for the host.
func (r Responder) Call(ctx context.Context, query any) (any, error) { return r.call(ctx, query) }
