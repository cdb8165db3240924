package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// usageErrors makes every mistake on the command line, of root and of all below it, an
// error of usage that says where the help is.
func usageErrors(root *cobra.Command) {
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return withHelp(cmd, err) })
	eachCommand(root, func(cmd *cobra.Command) {
		args := cmd.Args
		if args == nil {
			return
		}
		cmd.Args = func(cmd *cobra.Command, given []string) error {
			if err := args(cmd, given); err != nil {
				return withHelp(cmd, err)
			}
			return nil
		}
	})
}

func eachCommand(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, sub := range cmd.Commands() {
		eachCommand(sub, do)
	}
}

func withHelp(cmd *cobra.Command, err error) error {
	text := strings.TrimSuffix(err.Error(), "\n")
	if arg, ok := strings.CutPrefix(text, "unknown command "); ok && !cmd.HasSubCommands() {
		arg, _, _ = strings.Cut(arg, " for ")
		text = "found one argument too many: " + arg
	}
	if strings.Contains(text, "arg(s), ") {
		text = "expected " + strings.TrimSuffix(cmd.UseLine(), " [flags]")
	}
	return usageError{fmt.Errorf("%s (see: %s --help)", text, cmd.CommandPath())}
}

// unknownCommand finds a word that should name a command below another and does not; cobra
// itself shows the help then, as if all were well.
func unknownCommand(root *cobra.Command, args []string) error {
	cmd, rest, err := root.Find(args)
	if err != nil { // only of the root
		cmd, rest = root, args
	}
	if cmd.Runnable() || !cmd.HasAvailableSubCommands() || len(rest) == 0 || strings.HasPrefix(rest[0], "-") || rest[0] == "help" || rest[0] == "completion" || strings.HasPrefix(rest[0], "__") {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	near := ""
	if names := cmd.SuggestionsFor(rest[0]); len(names) > 0 {
		near = fmt.Sprintf("did you mean %s? ", strings.Join(names, " or "))
	}
	return usageError{fmt.Errorf("%s has no command %q (%ssee: %s --help)", cmd.CommandPath(), rest[0], near, cmd.CommandPath())}
}

// fileArg takes the configuration from the argument at place i, where one is given there
// and not with --config.
func (s *settings) fileArg(cmd *cobra.Command, args []string, i int) error {
	if len(args) <= i {
		return nil
	}
	if cmd.Flags().Changed("config") {
		return usageError{fmt.Errorf("two configurations are named: %s and --config %s", args[i], s.path)}
	}
	s.path = args[i]
	return nil
}
