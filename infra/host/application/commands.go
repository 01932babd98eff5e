package application

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
	"go.uber.org/fx"

	"plugboard/app"
)

var commandOwner = regexp.MustCompile(`^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$`)

// Commands returns the commands of the plugins, in the order of the plugins.
func (a *App) Commands() []app.CommandInfo {
	var all []app.CommandInfo
	for _, p := range a.booted {
		all = append(all, p.Boot.Commands()...)
	}
	return all
}

// CommandName returns the words with which a plugin's command is called: "accounts" and "create-admin" for
// accounts.create_admin.
func CommandName(plugin string) (group, name string) {
	group, name, _ = strings.Cut(strings.ReplaceAll(plugin, "_", "-"), ".")
	return group, name
}

// HasCommandGroup reports whether a plugin of modules may have a command whose first word is group. It looks at names alone.
func HasCommandGroup(modules fx.Option, group string) bool {
	return slices.ContainsFunc(takeInventory(modules).plugins, func(p *plugin) bool {
		first, _ := CommandName(p.Info.Name)
		return first == group
	})
}

// checkCommands checks the commands of the plugins against each other, and against those that the binary has by itself.
func checkCommands(all []app.CommandInfo, reserved []string) []error {
	var problems []error
	first := map[string]app.CommandInfo{}
	for _, c := range all {
		problem := func(format string, args ...any) {
			problems = append(problems, fmt.Errorf("plugin %s (%s): "+format, append([]any{c.Plugin.Name, c.Source}, args...)...))
		}
		group, _ := CommandName(c.Plugin.Name)
		switch before, taken := first[c.Plugin.Name]; {
		case taken:
			problem("it has a command already (%s); give each command a plugin of its own", before.Source)
		case !commandOwner.MatchString(c.Plugin.Name):
			problem("a command is called by its plugin's name; name the plugin <domain>.<file>")
		case slices.Contains(reserved, group):
			problem("the binary has a command %q of its own, so this domain can have none; give the domain another name", group)
		}
		first[c.Plugin.Name] = c
		if c.Short == "" {
			problem("the command says nothing of itself; give b.Command a line for --help")
		}
		if c.Run == nil {
			problem("the command has no function")
		}
		for _, name := range []string{"help", "h"} {
			if c.Flags.Lookup(name) != nil {
				problem("the flag --%s is the host's; give it another name", name)
			}
		}
	}
	return problems
}

// StartForCommand is [App.Start] for a process that runs a command of a plugin: it binds no port, delivers no events, and runs
// no schedules and no loops. The bus only publishes. [App.Stop] stops it.
func (a *App) StartForCommand(ctx context.Context) error { return a.start(ctx, true) }

// RunCommand runs a command of a plugin and returns its error; a panic is logged with its stack and returned as an error. The
// application has been started, in either way. It returns when the command does, also after the end of ctx.
func (a *App) RunCommand(ctx context.Context, c app.CommandInfo, call app.CommandCall) error {
	current := &app.Call{Plugin: c.Plugin.Name, RequestID: uuid.Must(uuid.NewV7()).String(), Memory: a.parts.Memory}
	defer current.End()
	done := make(chan error, 1)
	go protect(app.WithCall(ctx, current), func(ctx context.Context) error { return c.Run(ctx, call) }, done)
	group, name := CommandName(c.Plugin.Name)
	return a.reportPanic("the command "+group+" "+name, <-done)
}
