// Package application runs an application from its list of modules.
//
// [New] builds the graph of the modules, collects what the plugins register, and checks the whole. It opens nothing.
// Start then goes through these phases:
//
//  1. the port is bound, and not yet served
//  2. the database is opened
//  3. the migrations run, or are checked
//  4. start hooks run, in the order of construction: those that constructors and plugins appended to the
//     fx.Lifecycle
//  5. the work pool starts
//  6. subscriptions are made, and deliveries that a dead process left behind are recovered
//  7. loops run, each in a goroutine of its own
//  8. requests are served
//  9. the application is ready
//
// When a phase fails, those before it are undone in reverse. Stop undoes all of them in reverse: the
// application is not ready any more and says so for the drain delay; requests and streams end; loops end;
// subscribers end; the pool's jobs end; plugins' Shutdown and stop hooks run; the database is closed. Each phase, hook and
// Shutdown has a budget of its own. The host abandons one that overruns its budget, reports it, and goes on with the next.
//
// For a command of a plugin, StartForCommand leaves out 1 and 7 to 9, and in 6 the bus only publishes: the process delivers nothing.
//
// An App is used by one caller at a time for Start and Stop; its other methods may be called by several goroutines. The
// binary's command line is the package cli.
package application
