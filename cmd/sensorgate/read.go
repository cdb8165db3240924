package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
	"sensorgate/internal/terminal"
)

func newRead() *cobra.Command {
	var s settings
	var verbose bool
	cmd := &cobra.Command{
		Use:   "read DEVICE [FILE]",
		Short: "read one device of a configuration once and print its channels",
		Long: `Opens one device of the configuration, reads it once and prints every channel: the value
as it would be published, or why there is none. --verbose shows beside it what the device
itself reported, and the bytes of each I2C transfer (W written, R read) on standard error.
Outputs are not opened: that may switch them.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.fileArg(cmd, args, 1); err != nil {
				return err
			}
			c, err := s.load(os.Stderr)
			if err != nil {
				return err
			}
			if c, err = onlyDevice(c, args[0]); err != nil {
				return err
			}
			if verbose {
				s.hardware.TraceI2C(func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), line) })
			}
			t := s.hardware.Try(cmd.Context(), c, slog.New(slog.DiscardHandler))[0]
			if s.json {
				if err := writeJSON(cmd.OutOrStdout(), t); err != nil {
					return err
				}
			} else if err := writeChannels(cmd.OutOrStdout(), t, verbose); err != nil {
				return err
			}
			switch {
			case t.OK:
				return nil
			case s.json:
				return errReported
			}
			return fmt.Errorf("%s: %s", t.Name, t.Text)
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show raw values, and the bytes on the I2C bus")
	return cmd
}

// writeChannels prints what a trial has of each channel.
func writeChannels(out io.Writer, t gateway.Trial, raw bool) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for _, c := range t.Channels {
		value := terminal.Escape(strings.TrimSpace(c.Value.String() + " " + c.Unit))
		switch {
		case c.Error != "":
			value = string(c.State) + ": " + terminal.Escape(c.Error)
		case raw:
			value += "\traw " + terminal.Escape(strings.TrimSpace(c.Raw.String()+" "+c.RawUnit))
		}
		fmt.Fprintf(w, "%s\t%s\n", terminal.Escape(c.Name), value)
	}
	if len(t.Unlisted) > 0 {
		fmt.Fprintln(w, "\nAlso there; to have one, make a channel with what stands before the value:")
	}
	for _, c := range t.Unlisted {
		fmt.Fprintf(w, "%s\t%s\n", terminal.Escape(c.Name), terminal.Escape(strings.TrimSpace(c.Value.String()+" "+c.Unit)))
	}
	if len(t.Channels) == 0 && t.OK {
		fmt.Fprintln(w, t.Text)
	}
	return w.Flush()
}

// onlyDevice leaves of c the device called name and the bus it is on.
func onlyDevice(c *config.Config, name string) (*config.Config, error) {
	i := slices.IndexFunc(c.Devices, func(d config.Device) bool { return d.Name == name })
	if i < 0 {
		var have []string
		for _, d := range c.Devices {
			have = append(have, d.Name)
		}
		return nil, usageError{fmt.Errorf("no device is called %q (have %s)", name, strings.Join(have, ", "))}
	}
	one := *c
	one.Devices = c.Devices[i : i+1]
	return &one, nil
}
