package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
)

// discard takes the log of hardware that a command only looks at.
var discard = slog.New(slog.DiscardHandler)

// settings are the flags of the commands that read a configuration.
type settings struct {
	path string
	json bool

	hardware *gateway.Hardware // that the configuration was checked against
}

func (s *settings) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.path, "config", "c", defaultConfig, "configuration `file`")
	cmd.Flags().BoolVar(&s.json, "json", false, "print JSON for programs")
}

// load reads the configuration; a broken one is explained on w, and warnings too.
func (s *settings) load(w *os.File) (*config.Config, error) {
	c, problems := s.read()
	if len(problems) > 0 && !(s.json && c != nil) {
		if err := s.explain(w, problems); err != nil {
			return nil, err
		}
	}
	if c == nil {
		return nil, usageError{errReported}
	}
	return c, nil
}

func (s *settings) read() (*config.Config, config.Problems) {
	s.hardware = gateway.NewHardware(discard)
	return config.Load(s.path, s.hardware.Catalogue())
}

func (s *settings) explain(w *os.File, problems config.Problems) error {
	if s.json {
		return writeJSON(w, checkResult{Problems: problems})
	}
	problems.WriteText(w, useColour(w))
	return nil
}

// useColour: only for people at a terminal who did not ask for none (no-color.org).
func useColour(f *os.File) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(f)
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	return nil
}
