package main

import (
	"context"
	"fmt"
	"io"

	"sensorgate/internal/config"
)

// tryHardware opens what the configuration names and tells how each device and
// upstream answers.
func (s *settings) tryHardware(ctx context.Context, w io.Writer, c *config.Config) error {
	results := s.hardware.Try(ctx, c, discard)
	failed := 0
	for _, r := range results {
		if !r.OK && !r.Skipped {
			failed++
		}
	}
	if s.json {
		if err := writeJSON(w, results); err != nil {
			return err
		}
	} else {
		for _, r := range results {
			fmt.Fprintf(w, "%-8s %s: %s\n", r.Mark(), r.Name, r.Text)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d did not answer as configured", failed, len(results))
	}
	return nil
}
