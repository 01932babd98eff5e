// Package eventbus carries events from their publishers to their subscribers.
//
// [Bus] is the typed front. Plugins know it as app.Bus. It makes four promises. The events of publishers fit their subscribers: the bus
// checks this at the start. Each subscriber gets a struct of its own. An event that is published in a transaction takes effect at the
// commit. Each subscription handles a durable event at least once, in the order of its key.
//
// Package internal/volatile delivers to volatile subscriptions, from memory. Package internal/outbox delivers to durable subscriptions,
// from a transactional outbox in the database. Package internal/schedule publishes the events of schedules. A responder answers a
// question in the goroutine of the caller. The host makes, checks, starts and stops the bus. After [Bus.Check] the methods of the bus may
// be called concurrently.
package eventbus
