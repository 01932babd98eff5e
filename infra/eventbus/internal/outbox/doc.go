// Package outbox delivers the events of durable subscriptions by way of the database.
//
// An event and its deliveries are written in the publisher's transaction, so both exist or neither does. Each delivery is handled at
// least once by each subscription, in the order of its key, and is in the database until it is handled or dead. [Outbox] is made by
// the event bus; its constructor, [New], wires the parts.
//
// The way of an event: publisher.publish collects it, batch.write stores it with its deliveries, batch.deliver hands those that this
// process has claimed to their queues after the commit. What was not claimed then, claimer.poll claims. A consumer's worker runs the
// handler and calls queue.Settle; settler.Settle decides on the outcome, settler.write writes it, settler.written lets the next
// delivery in.
package outbox
