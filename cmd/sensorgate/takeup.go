package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"sensorgate/internal/disk"
	"sensorgate/internal/status"
)

// takeUp writes a file of conf.d, which was checked, and has a gateway that runs take it up.
// What is refused is taken back. running is false, without an error, if none runs.
func (s *settings) takeUp(ctx context.Context, out io.Writer, file, text string) (running bool, err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return false, err
	}
	if err := disk.Replace(file, []byte(text)); err != nil {
		return false, err
	}
	if err := letServiceRead(file); err != nil {
		return false, err
	}
	fmt.Fprintf(out, "Wrote %s.\n", file)
	err = status.Reload(ctx, s.findSocket())
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, status.ErrNotRunning):
		fmt.Fprintf(out, "No gateway runs on this configuration. Next: sudo systemctl start sensorgate, or: sensorgate run -c %s\n", s.path)
		return false, nil
	}
	return true, errors.Join(fmt.Errorf("the gateway did not take it, and %s is removed: %w", file, err), os.Remove(file))
}
