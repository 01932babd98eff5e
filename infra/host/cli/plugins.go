package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"plugboard/app"
	"plugboard/infra/host/application"
	"plugboard/infra/host/usage"
)

// addPluginCommands adds the commands of the plugins to root when args need them: for a command that the binary does not have
// by itself, and for help. They are known only once the application is put together.
func (c *Commands) addPluginCommands(root *cobra.Command, args []string) error {
	if len(args) == 0 || args[0] != "help" && slices.Contains(c.names, args[0]) {
		return nil
	}
	a, err := c.New()
	switch {
	case err == nil:
		addGroups(root, a, func(cmd *cobra.Command, command app.CommandInfo, call app.CommandCall) error {
			return runBeside(cmd.Context(), a, command, call)
		})
	case application.HasCommandGroup(c.modules, args[0]):
		return &exit{ExitFailed, err}
	}
	return nil // without them, help and a mistyped command can be answered
}

// namesOf returns the names of the commands of root.
func namesOf(root *cobra.Command) []string {
	names := []string{"help", "completion"} // cobra adds them later
	for _, cmd := range root.Commands() {
		names = append(names, cmd.Name())
	}
	return names
}

// runBeside starts what a command needs, runs it, and stops all that. The error of the command comes before that of the stop.
func runBeside(ctx context.Context, a *application.App, command app.CommandInfo, call app.CommandCall) error {
	if err := a.StartForCommand(ctx); err != nil {
		return &exit{ExitFailed, fmt.Errorf("the command did not start: %s", application.FromRoot(err.Error()))}
	}
	err := a.RunCommand(ctx, command, call)
	stopped := a.Stop(context.WithoutCancel(ctx))
	switch {
	case stopped == nil:
		return err
	case err == nil:
		return &exit{ExitUnclean, stopped}
	}
	return &exit{ExitFailed, fmt.Errorf("%w\n%w", err, stopped)}
}

// runner runs a command of a plugin.
type runner func(cmd *cobra.Command, command app.CommandInfo, call app.CommandCall) error

// addGroups adds the commands of the plugins of a to root, those of a domain below the domain's name.
func addGroups(root *cobra.Command, a *application.App, run runner) {
	const own, ofPlugins = "own", "plugins"
	groups := map[string]*cobra.Command{}
	for _, command := range a.Commands() {
		name, _ := application.CommandName(command.Plugin.Name)
		if groups[name] == nil {
			domain, _, _ := strings.Cut(command.Plugin.Name, ".")
			groups[name] = &cobra.Command{
				Use: name, Short: "Commands of the domain " + domain, GroupID: ofPlugins, Args: usage.NoArguments,
				RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
			}
		}
		groups[name].AddCommand(pluginCommand(command, run))
	}
	if len(groups) == 0 {
		return
	}
	for _, cmd := range root.Commands() {
		cmd.GroupID = own
	}
	root.AddGroup(&cobra.Group{ID: own, Title: "Available Commands:"}, &cobra.Group{ID: ofPlugins, Title: "Commands of the domains:"})
	root.SetHelpCommandGroupID(own)
	root.SetCompletionCommandGroupID(own)
	for _, cmd := range groups {
		root.AddCommand(cmd)
	}
}

func pluginCommand(command app.CommandInfo, run runner) *cobra.Command {
	_, name := application.CommandName(command.Plugin.Name)
	cmd := &cobra.Command{
		Use: name, Short: command.Short, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			err := run(cmd, command, app.CommandCall{Args: args, In: cmd.InOrStdin(), Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr()})
			return commandError(cmd, err)
		},
	}
	command.Flags.VisitAll(func(f *flag.Flag) {
		if f.Value.String() != f.DefValue { // in a test, an earlier call has set it
			_ = f.Value.Set(f.DefValue) // it was read before
		}
		usage := pflag.PFlagFromGoFlag(f)
		usage.Shorthand = ""
		cmd.Flags().AddFlag(usage)
	})
	return cmd
}

// commandError gives the error of a plugin's command its exit code.
func commandError(cmd *cobra.Command, err error) error {
	var coded *exit
	switch {
	case err == nil || errors.As(err, &coded):
		return err
	case errors.Is(err, flag.ErrHelp):
		return cmd.Help()
	case app.CodeOf(err) == app.Invalid:
		return usage.Errorf(cmd, "%s", err)
	}
	return &exit{ExitFailed, err}
}

// Execute runs a command of a plugin in an application that has been started, as package apptest does: line is its name,
// "accounts create-admin", and args are its flags and arguments. The error is what the command returned, or that it was
// called wrongly.
func Execute(ctx context.Context, a *application.App, line string, args []string, in io.Reader, out, errOut io.Writer) error {
	root := &cobra.Command{Args: usage.NoArguments, SilenceErrors: true, SilenceUsage: true, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(usage.FlagError)
	var own error // of the command itself, as it returned it
	addGroups(root, a, func(cmd *cobra.Command, command app.CommandInfo, call app.CommandCall) error {
		own = a.RunCommand(cmd.Context(), command, call)
		return own
	})
	root.SetArgs(append(strings.Fields(line), args...))
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	if err := root.ExecuteContext(ctx); err == nil || own == nil {
		return err
	}
	return own
}
