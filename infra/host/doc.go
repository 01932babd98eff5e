// Package host runs the application: it builds the graph of the listed modules, collects what the plugins
// register, checks the whole, starts and stops it in phases, and is the binary's command line.
//
// Start goes through these phases:
//
//  1. the port is bound, and not yet served
//  2. the database is opened
//  3. the migrations run, or are checked
//  4. start hooks run, in the order of construction: those that constructors and plugins appended to the
//     fx.Lifecycle
//  5. the work pool starts
//  6. subscriptions are made, and deliveries a dead process left are recovered
//  7. requests are served
//  8. the application is ready
//
// When a phase fails, those before it are undone in reverse. Stop undoes all of them in reverse: the
// application is not ready any more and says so for the drain delay; requests and streams end; subscribers
// end; the pool's jobs end; plugins' Shutdown and stop hooks run; the database is closed. Each phase, hook and
// Shutdown has a budget of its own, and what overruns it is abandoned and reported without holding up
// or skipping the rest.
//
// Exit codes: see [ExitClean] and those after it.
package host
