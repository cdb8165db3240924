package main

import (
	"github.com/spf13/cobra"

	"sensorgate/internal/mqtttools"
)

func newSub() *cobra.Command {
	var s mqtttools.Sub
	cmd := &cobra.Command{
		Use:   "sub -t FILTER [-t FILTER …]",
		Short: "subscribe and print messages, with the flags of mosquitto_sub",
		Example: `  sensorgate sub -v -t 'barn-pi/#'
  sensorgate sub -t '+/status' --retained-only -W 2 -F '%t %p'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, isTerminal := toolOutput(cmd)
			s.Terminal = isTerminal
			return toolError(s.Run(cmd.Context(), out), s.Quiet)
		},
	}
	s.Flags(cmd.Flags())
	return cmd
}
