package main

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sensorgate/internal/config"
	"sensorgate/internal/terminal"
)

func newRead() *cobra.Command {
	var s settings
	var verbose bool
	cmd := &cobra.Command{
		Use:   "read DEVICE",
		Short: "read one device of a configuration once and print its readings",
		Long: `Opens one device of the configuration, reads it once and prints every channel, before
any filter. --verbose shows the bytes of each I2C transfer (W written, R read) on
standard error. Devices that take commands are not opened: that would switch them.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
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
			switch {
			case t.Skipped:
				return fmt.Errorf("%s: %s", t.Name, t.Text)
			case s.json && t.OK:
				return writeJSON(cmd.OutOrStdout(), t)
			case !t.OK:
				return fmt.Errorf("%s: %s", t.Name, t.Text)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			for _, r := range t.Readings {
				fmt.Fprintf(w, "%s\t%s\n", terminal.Escape(r.Channel), terminal.Escape(strings.TrimSpace(r.Value.String()+" "+r.Unit)))
			}
			if len(t.Readings) == 0 {
				fmt.Fprintln(w, t.Text)
			}
			return w.Flush()
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the bytes on the I2C bus")
	return cmd
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
