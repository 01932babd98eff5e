// Package eventbus carries events from their publishers to their subscribers.
//
// [Bus] is the typed front, which plugins see as app.Bus. It promises that publishers and subscribers agree, which it checks at the
// start; that each subscriber gets a struct of its own; that an event published in a transaction counts from its commit; and that a
// durable event is handled at least once by each subscription, in the order of its key. Volatile subscriptions are served from
// memory (internal/volatile), durable ones from a transactional outbox in the database (internal/outbox), schedules by
// internal/schedule, and questions by the responder in the caller's goroutine. The host makes the bus, checks, starts and stops it.
// After [Bus.Check] its methods may be called concurrently.
package eventbus
