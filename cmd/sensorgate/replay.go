package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sensorgate/drivers/serial"
)

func newReplay() *cobra.Command {
	var speed float64
	var link string
	var loop bool
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "play a recording on a port made for it, for the gateway to read",
		Long: `Makes a pseudo terminal, prints its path, and plays the recording there as soon as
somebody has opened it. Use the path as port in a configuration; with --link it has the
same name each time. Requests in the recording are waited for.`,
		Example: "  sensorgate replay meter.rec --link /tmp/meter &\n  sensorgate sniff /tmp/meter",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if speed <= 0 {
				return usageError{fmt.Errorf("--speed: found %v, expected more than 0", speed)}
			}
			if file, err := os.Open(args[0]); err != nil { // before anybody waits for it
				return usageError{err}
			} else if err := file.Close(); err != nil {
				return err
			}
			wire, pts, path, done, err := openPTY(link)
			if err != nil {
				return err
			}
			defer done()
			fmt.Fprintf(cmd.OutOrStdout(), "port = %q\n", path)
			if err := serial.AwaitOpen(cmd.Context(), wire, pts); err != nil {
				if cmd.Context().Err() != nil {
					return nil // asked to stop
				}
				return err
			}
			for {
				err := play(cmd, args[0], wire, speed)
				if err != nil || !loop || cmd.Context().Err() != nil {
					linger(cmd.Context())
					return err
				}
			}
		},
	}
	cmd.Flags().Float64Var(&speed, "speed", 1, "times as fast as it was")
	cmd.Flags().StringVar(&link, "link", "", "a name for the port, made as a link")
	cmd.Flags().BoolVar(&loop, "loop", false, "again and again")
	return cmd
}

// openPTY opens a pseudo terminal of which wire is the near side and pts the far one; path
// is how people reach that: link, if there is one. done closes it and removes the link.
func openPTY(link string) (wire *os.File, pts, path string, done func(), err error) {
	wire, pts, err = serial.OpenPTY()
	if err != nil {
		return nil, "", "", nil, err
	}
	if link == "" {
		return wire, pts, pts, func() { wire.Close() }, nil
	}
	if err := os.Symlink(pts, link); err != nil {
		return nil, "", "", nil, errors.Join(err, wire.Close())
	}
	return wire, pts, link, func() { os.Remove(link); wire.Close() }, nil
}

func play(cmd *cobra.Command, name string, wire *os.File, speed float64) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	err = serial.Replay(cmd.Context(), file, wire, speed)
	switch {
	case cmd.Context().Err() != nil:
		return nil // asked to stop
	case errors.Is(err, syscall.EIO):
		return errors.New("the port was closed at the other end")
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// linger keeps the port open for a moment: closing it takes what was not yet read.
func linger(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
}
