package main

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"sensorgate/drivers/gpio"
)

// newWatch is the parent of everything that shows hardware live.
func newWatch() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "show live what the hardware reports",
	}
	cmd.AddCommand(newWatchGPIO())
	return cmd
}

func newWatchGPIO() *cobra.Command {
	var pull, active string
	var f gpio.Following
	cmd := &cobra.Command{
		Use:     "gpio LINE",
		Short:   "show the edges of a GPIO line with their times",
		Example: "  sensorgate watch gpio GPIO17 --pull up --debounce 20ms",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var ref gpio.Ref
			var level gpio.Active
			if err := errors.Join(ref.UnmarshalText([]byte(args[0])), f.Pull.UnmarshalText([]byte(pull)), level.UnmarshalText([]byte(active))); err != nil {
				return usageError{err}
			}
			f.ActiveLow = level == gpio.ActiveLow
			var before time.Duration
			err := gpio.NewChips(slog.New(slog.DiscardHandler)).Follow(cmd.Context(), ref, f, func(e gpio.Edge) {
				fmt.Fprintln(cmd.OutOrStdout(), edgeLine(e, before))
				before = e.Mono
			})
			if cmd.Context().Err() != nil {
				return nil // asked to stop
			}
			return err
		},
	}
	cmd.Flags().StringVar(&pull, "pull", "as-is", "resistor inside the chip: up, down, none or as-is")
	cmd.Flags().StringVar(&active, "active", "high", "level that is shown as active: high or low")
	cmd.Flags().DurationVar(&f.Debounce, "debounce", 0, "how long a level must last")
	return cmd
}

// edgeLine is one line for people: when, which way, how long after the one before.
func edgeLine(e gpio.Edge, before time.Duration) string {
	at := e.Time.Format("15:04:05.000000")
	state := map[bool]string{true: "active", false: "inactive"}[e.Rising]
	switch {
	case e.First:
		return at + "  " + state + " at the start (Ctrl-C ends)"
	case e.Lost > 0:
		state += fmt.Sprintf("  (%d edges before it were lost)", e.Lost)
	}
	if before == 0 {
		return fmt.Sprintf("%s  #%-6d %s", at, e.Seq, state)
	}
	return fmt.Sprintf("%s  #%-6d +%-14v %s", at, e.Seq, (e.Mono - before).Round(time.Microsecond), state)
}
