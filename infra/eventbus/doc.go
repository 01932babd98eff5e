// Package eventbus is the event bus: it checks at start that publishers and subscribers agree, copies each
// event from the publisher's struct to the subscriber's, and carries it there: through memory to volatile
// subscriptions, through a transactional outbox in the database to durable ones.
//
// [Bus] is the typed front that plugins see as app.Bus. Behind it are two transports, [Memory] and [Outbox].
package eventbus
