package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"sensorgate/internal/config"
	"sensorgate/internal/mapping"
)

func newCheck() *cobra.Command {
	var s settings
	var hardware bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "say everything that is wrong with a configuration, or ok",
		Long: `Reads the configuration with all files in conf.d beside it and reports all faults
in one run, each with its place and what to type instead. It opens nothing, unless
--hardware asks to open ports and buses, read every device once, and try every
upstream. Outputs are not opened: that would switch them.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, problems := s.read()
			if err := s.explain(os.Stdout, problems); err != nil {
				return err
			}
			if c == nil {
				return usageError{errTold}
			}
			if !s.json {
				fmt.Fprintf(cmd.OutOrStdout(), "ok: %s\n", summary(c))
				if len(c.Devices) == 0 {
					fmt.Fprintln(cmd.OutOrStdout(), "It has no devices: this is a broker only. See: sensorgate init, sensorgate scan")
				}
				showExamples(cmd.OutOrStdout(), c)
			}
			if hardware {
				return s.tryHardware(cmd.Context(), cmd.OutOrStdout(), c)
			}
			return nil
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&hardware, "hardware", false, "also open ports and buses, read each device once, and try the upstreams")
	return cmd
}

// showExamples shows what becomes of the examples in the file.
func showExamples(w io.Writer, c *config.Config) {
	for _, d := range c.Devices {
		if d.Driver.Example == nil {
			continue
		}
		readings, err := d.Driver.Example(d.Site)
		if err != nil || len(readings) == 0 {
			continue // an error was a problem of the file
		}
		fmt.Fprintf(w, "the example of device.%s gives\n", d.Name)
		messages := mapping.New(d.Map).Messages(readings, true)
		for _, m := range messages {
			fmt.Fprintf(w, "  %s %s\n", m.Topic, m.Payload)
		}
		if len(messages) == 0 {
			fmt.Fprintln(w, "  nothing: the filters hold it back")
		}
	}
}

// summary is what a configuration has, in one line.
func summary(c *config.Config) string {
	channels := 0
	for _, d := range c.Devices {
		channels += len(d.Map.Channels)
	}
	return fmt.Sprintf("node %s, %s, %s, %s, %s from %s", c.Node, count(len(c.Devices), "device"),
		count(channels, "channel"), count(len(c.Serial), "serial bus"), count(len(c.Bridges), "upstream"), count(len(c.Files), "file"))
}

func count(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case noun == "serial bus":
		return fmt.Sprintf("%d serial buses", n)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
