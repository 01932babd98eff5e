// Package outbox delivers the events of durable subscriptions by way of the database.
//
// An event and its deliveries are written in the publisher's transaction, so both exist or neither does. Each subscription gets each
// event at least once, and the events of one key in order. The outbox deletes the row of a delivery that has been handled; the row of a
// dead delivery stays. The event bus makes the [Outbox]; the constructor, [New], connects its parts.
//
// How an event travels: publisher.publish collects it, batch.write stores it with its deliveries. After the commit batch.deliver hands
// the deliveries that this process has claimed to their queues; claimer.poll claims the others later. A consumer's worker runs the
// handler and calls queue.Settle. Then settler.Settle decides on the outcome and lets the next delivery of the key run, settler.write
// writes the outcome, and settler.written frees the place and the memory.
//
// Lines such as //crash:point after commit do nothing here. The crash tests build a binary whose process dies or makes a mistake at
// these points. Arguments of the mistake follow a colon. See app/apptest/crash.
package outbox
