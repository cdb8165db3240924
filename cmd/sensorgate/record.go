package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"sensorgate/drivers/serial"
)

func newRecord() *cobra.Command {
	var line string
	cmd := &cobra.Command{
		Use:   "record PORT FILE",
		Short: "record the bytes on a wire, to be replayed elsewhere",
		Long: `Writes what arrives at the port into a file, with times, until Ctrl-C. The file is text
and can be cut with an editor. It may hold what the device reports about its owner.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			file, err := os.OpenFile(args[1], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return err
			}
			defer func() {
				if cerr := file.Close(); err == nil {
					err = cerr
				}
			}()
			return withWire(cmd.Context(), args[0], line, func(ctx context.Context, b *serial.Bus) error {
				r := serial.NewRecorder(file, b)
				b.Tap(r.Tap)
				err := listen(ctx, b)
				n, werr := r.Bytes()
				fmt.Fprintf(cmd.ErrOrStderr(), "%d bytes recorded in %s\n", n, args[1])
				if werr != nil {
					return werr
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&line, "line", "9600 8N1", "speed and frame")
	return cmd
}

// listen keeps the port open until ctx ends or it is lost.
func listen(ctx context.Context, b *serial.Bus) error {
	l := b.Listen()
	defer l.Close()
	for {
		if _, err := l.Next(ctx, time.Time{}); err != nil {
			return err
		}
	}
}
