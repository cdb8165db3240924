package main

import (
	"github.com/spf13/cobra"

	"sensorgate/internal/mqtttools"
)

func newSub() *cobra.Command {
	var s mqtttools.Sub
	var own ownBroker
	cmd := &cobra.Command{
		Use:   "sub -t FILTER [-t FILTER …]",
		Short: "subscribe and print messages, with the flags of mosquitto_sub",
		Example: `  sensorgate sub -v -t 'barn-pi/#'
  sensorgate sub -t '+/status' --retained-only -W 2 -F '%t %p'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			s.FindBroker, s.Words = own.find(cmd), args
			out, isTerminal := toolOutput(cmd)
			s.Terminal = isTerminal
			if isTerminal {
				s.Size = terminalSize
			}
			return toolError(s.Run(cmd.Context(), out), s.Quiet)
		},
	}
	s.Flags(cmd.Flags())
	own.flags(cmd.Flags())
	return cmd
}
