package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"sensorgate/internal/config"
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
