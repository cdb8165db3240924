package main

import (
	"errors"

	"github.com/spf13/cobra"

	"sensorgate/internal/mqtttools"
)

func newRR() *cobra.Command {
	var r mqtttools.Request
	cmd := &cobra.Command{
		Use:   "rr -t TOPIC [-e RESPONSE] {-m MESSAGE | -f FILE | -s | -n}",
		Short: "send a request and print its response, with the flags of mosquitto_rr",
		Long: `Subscribes to the response topic, publishes the request and prints the first message
that comes back. For a command (…/set) the response topic is …/set/result.`,
		Example: `  sensorgate rr -t barn-pi/pump/state/set -m on -W 5`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return toolError(r.Run(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout()), r.Quiet)
		},
	}
	r.Flags(cmd.Flags())
	return cmd
}

// toolError is an error of the MQTT tools as this program ends with it; quiet, it is
// not printed.
func toolError(err error, quiet bool) error {
	shown := err
	if err != nil && quiet {
		shown = errReported
	}
	if errors.As(err, new(mqtttools.UsageError)) {
		return usageError{shown}
	}
	return shown
}
