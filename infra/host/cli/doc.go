// Package cli is the command line of a service.
//
// [Main] is all that the service's main calls: it takes the list of modules, runs one command, and exits with one of the
// codes from [ExitClean] on. Each command puts the application together with package host. A service adds commands of
// its own by [WithCommand].
package cli
