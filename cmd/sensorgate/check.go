package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
	"sensorgate/internal/mapping"
	"sensorgate/internal/terminal"
)

func newCheck() *cobra.Command {
	var s settings
	var hardware bool
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "report everything that is wrong with a configuration, or ok",
		Long: `Reads the configuration with all files in conf.d beside it and reports all faults
in one run, each with its place and what to type instead. It opens nothing, unless
--hardware asks to open ports and buses, read every device once, and try every
upstream. Outputs are not opened: that would switch them.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.fileArg(cmd, args, 0); err != nil {
				return err
			}
			if err := s.denied(false); err != nil {
				return err
			}
			c, problems := s.read()
			result := checkResult{OK: c != nil, Problems: problems}
			if !s.json {
				problems.WriteText(os.Stdout, useColour(os.Stdout))
			}
			if c != nil && !s.json {
				writeSummary(cmd.OutOrStdout(), c)
				s.writeProvenance(cmd.OutOrStdout(), c)
				if warning := gateway.MemoryWarning(c); warning != "" {
					fmt.Fprintln(cmd.ErrOrStderr(), "warning:", warning)
				}
			}
			if c != nil && hardware {
				result.Hardware = s.tryHardware(cmd, c)
			}
			if s.json {
				if err := writeJSON(cmd.OutOrStdout(), result); err != nil {
					return err
				}
			}
			return result.failure()
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&hardware, "hardware", false, "also open ports and buses, read each device once, and try the upstreams")
	return cmd
}

// checkResult is what check --json prints.
type checkResult struct {
	OK       bool            `json:"ok"`
	Problems config.Problems `json:"problems"`
	Hardware []gateway.Trial `json:"hardware,omitempty"`
}

// failure is how check ends: 2 for a broken file, 1 for hardware that does not answer.
func (r *checkResult) failure() error {
	if !r.OK {
		return usageError{errReported}
	}
	failed := 0
	for _, t := range r.Hardware {
		if !t.OK && !t.Skipped {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d did not answer as configured", failed, len(r.Hardware))
	}
	return nil
}

func writeSummary(w io.Writer, c *config.Config) {
	fmt.Fprintf(w, "ok: %s\n", summary(c))
	if len(c.Devices) == 0 {
		fmt.Fprintln(w, "It has no devices: this is a broker only. See: sensorgate init, sensorgate scan")
	}
	showExamples(w, c)
}

// writeProvenance prints of each model in use how well it is known.
func (s *settings) writeProvenance(w io.Writer, c *config.Config) {
	said := map[string]bool{}
	for _, d := range c.Devices {
		if d.Model == "" || said[d.Model] {
			continue
		}
		said[d.Model] = true
		if m, ok := config.ReadModel(s.hardware.Catalogue(), filepath.Dir(s.path), d.Model); ok && len(m.Sources) > 0 {
			fmt.Fprintf(w, "model %s: %s\n", m.Name, provenance(&m))
		}
	}
}

// showExamples shows what becomes of the examples in the file.
func showExamples(w io.Writer, c *config.Config) {
	for _, d := range c.Devices {
		if d.Driver.Example == nil {
			continue
		}
		readings, err := d.Driver.Example(d.Config)
		if err != nil || len(readings) == 0 {
			continue // an error was a problem of the file
		}
		fmt.Fprintf(w, "the example of device.%s is published as\n", d.Name)
		messages := mapping.New(d.Map).Messages(readings, true)
		for _, m := range messages {
			fmt.Fprintf(w, "  %s %s\n", terminal.Escape(m.Topic), terminal.Escape(string(m.Payload)))
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
