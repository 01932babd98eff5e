// Package cli is the command line of a service.
//
// [Main] is all that the service's main calls: it takes the list of modules, runs one command, and exits with one of the
// codes from [ExitClean] on. Each command puts the application together with package host. The commands of plugins
// (app.Boot.Command) stand below the names of their domains. [WithCommand] adds commands that need what only the host has.
package cli
