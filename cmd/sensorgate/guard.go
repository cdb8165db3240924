package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sensorgate/drivers"
)

// guard makes a panic in a tool, or in what a tool asks a device with, an error with its
// stack. It is not for commands that run the broker and the journal: there a panic must
// end the process, since the state is in doubt.
func guard(tools ...*cobra.Command) []*cobra.Command {
	for _, cmd := range tools {
		guard(cmd.Commands()...)
		run := cmd.RunE
		if run == nil {
			continue
		}
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			err := drivers.Guard(func() error { return run(cmd, args) })
			var p *drivers.PanicError
			if errors.As(err, &p) {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s\n", p.Stack)
			}
			return err
		}
	}
	return tools
}
