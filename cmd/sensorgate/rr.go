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
	var own ownBroker
	cmd := &cobra.Command{
		Use:   "rr -t TOPIC [-e RESPONSE] {-m MESSAGE | -f FILE | -s | -n}",
		Short: "send a request and print its response, with the flags of mosquitto_rr",
		Long: `Subscribes to the response topic, publishes the request and prints the first message
that comes back. For a command (…/set) the response topic is …/set/result.`,
		Example: `  sensorgate rr -t barn-pi/pump/state/set -m on -W 5`,
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			r.FindBroker, r.Words = own.find(cmd), args
			out, isTerminal := toolOutput(cmd)
			r.Terminal = isTerminal
			return toolError(r.Run(cmd.Context(), cmd.InOrStdin(), out), r.Quiet)
		},
	}
	r.Flags(cmd.Flags())
	own.flags(cmd.Flags())
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
	var ended mqtttools.Ended
	switch {
	case errors.As(err, new(mqtttools.UsageError)):
		return usageError{shown}
	case errors.As(err, &ended) && quiet:
		return silentEnd{ended}
	}
	return shown
}

// silentEnd is an exit code whose reason is not printed.
type silentEnd struct{ mqtttools.Ended }

func (silentEnd) Is(target error) bool { return target == errReported }
