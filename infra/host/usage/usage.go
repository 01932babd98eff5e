// Package usage words the errors of command lines that no command understands. The binary and plug share it.
package usage

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"plugboard/config"
)

// misuse is the error of a command line that no command understands. usage is the command whose help is useful then.
type misuse struct {
	usage string
	text  string
}

// Error returns what is wrong.
func (m *misuse) Error() string { return m.text }

// Errorf returns the error of a command line that cmd does not understand.
func Errorf(cmd *cobra.Command, format string, args ...any) error {
	return &misuse{usage: cmd.CommandPath(), text: fmt.Sprintf(format, args...)}
}

// Hint says which help to read after err.
func Hint(root *cobra.Command, err error) string {
	usage := root.DisplayName()
	if m, ok := errors.AsType[*misuse](err); ok {
		usage = m.usage
	}
	return fmt.Sprintf("run %q for help", usage+" --help")
}

// NoArguments is the Args of a command without arguments. When the command has subcommands, the argument is a wrong name
// of one.
func NoArguments(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case !cmd.HasAvailableSubCommands():
		return Errorf(cmd, "%q takes no arguments, and %q was given", cmd.CommandPath(), args[0])
	}
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	const typing = 2 // mistakes
	near, ok := config.Nearest(args[0], names, typing)
	if !ok { // cobra knows what a name begins with
		if begun := cmd.SuggestionsFor(args[0]); len(begun) > 0 {
			near, ok = begun[0], true
		}
	}
	if ok {
		return Errorf(cmd, "there is no command %q; %q is near", cmd.CommandPath()+" "+args[0], cmd.CommandPath()+" "+near)
	}
	return Errorf(cmd, "there is no command %q; there are %s", cmd.CommandPath()+" "+args[0], strings.Join(names, ", "))
}

var placeholder = regexp.MustCompile(`<[^>]+>`)

// AllArguments is the Args of a command that needs every argument in its Use.
func AllArguments(cmd *cobra.Command, args []string) error {
	needs := placeholder.FindAllString(cmd.Use, -1)
	if len(args) == len(needs) {
		return nil
	}
	return Errorf(cmd, "%q needs %s, and got %s", cmd.CommandPath(), strings.Join(needs, " and "), got(len(args)))
}

// OneArgument is the Args of a command that takes one, or none.
func OneArgument(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return Errorf(cmd, "%q takes one argument at most, and got %s", cmd.CommandPath(), got(len(args)))
	}
	return nil
}

func got(n int) string {
	switch n {
	case 0:
		return "none"
	case 1:
		return "one"
	}
	return fmt.Sprint(n)
}

// FlagError returns the error of a flag in plain words.
func FlagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var empty *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	var malformed *pflag.InvalidSyntaxError
	switch {
	case errors.As(err, &unknown):
		dashes := "--"
		if unknown.GetSpecifiedShortnames() != "" {
			dashes = "-"
		}
		return Errorf(cmd, "%q has no flag %s%s", cmd.CommandPath(), dashes, unknown.GetSpecifiedName())
	case errors.As(err, &empty):
		return Errorf(cmd, "--%s needs a value after it", empty.GetFlag().Name)
	case errors.As(err, &invalid):
		kinds := map[string]string{"int": "a whole number", "bool": "true or false", "duration": "a time such as 5s"}
		kind, ok := kinds[invalid.GetFlag().Value.Type()]
		if !ok {
			kind = "a value for it"
		}
		return Errorf(cmd, "--%s is %q; it must be %s", invalid.GetFlag().Name, invalid.GetValue(), kind)
	case errors.As(err, &malformed):
		return Errorf(cmd, "%q is no flag", malformed.GetSpecifiedFlag())
	}
	return Errorf(cmd, "%s", err)
}
