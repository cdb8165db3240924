package main

import (
	"github.com/spf13/cobra"

	"sensorgate/internal/mqtttools"
)

func newPub() *cobra.Command {
	var p mqtttools.Pub
	var own ownBroker
	cmd := &cobra.Command{
		Use:   "pub -t TOPIC {-m MESSAGE | -f FILE | -l | -s | -n}",
		Short: "publish messages, with the flags of mosquitto_pub",
		Example: `  sensorgate pub -t barn-pi/pump/state/set -m on
  tail -f log | sensorgate pub -t log -l -q 1`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			p.FindBroker, p.Words = own.find(cmd), args
			return toolError(p.Run(cmd.Context(), cmd.InOrStdin()), p.Quiet)
		},
	}
	p.Flags(cmd.Flags())
	own.flags(cmd.Flags())
	return cmd
}
