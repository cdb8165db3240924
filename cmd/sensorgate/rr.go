package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"sensorgate/internal/mqtttools"
	"sensorgate/internal/terminal"
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
			out, isTerminal := toolOutput(cmd)
			r.Terminal = isTerminal
			return toolError(r.Run(cmd.Context(), cmd.InOrStdin(), out), r.Quiet)
		},
	}
	r.Flags(cmd.Flags())
	return cmd
}

// toolOutput is where the MQTT tools print, and whether that is a terminal: they escape
// what comes from strangers by themselves, so that a format may have colours.
func toolOutput(cmd *cobra.Command) (w io.Writer, isTerminal bool) {
	if t, ok := cmd.OutOrStdout().(*terminal.Writer); ok {
		return t.Unwrap(), true
	}
	return cmd.OutOrStdout(), false
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
