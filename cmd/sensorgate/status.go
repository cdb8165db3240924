package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"sensorgate/internal/gateway"
	"sensorgate/internal/status"
	"sensorgate/internal/terminal"
)

func newStatus() *cobra.Command {
	var s settings
	var socket string
	var watch, verbose bool
	var every float64
	cmd := &cobra.Command{
		Use:   "status",
		Short: "show devices, queues and upstreams of the running gateway",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if socket == "" {
				c, _ := s.read() // a broken file is no reason not to look
				socket = gateway.FindSocket(c)
			}
			if watch && !s.json && isTerminal(os.Stdout) {
				return watchStatus(cmd.Context(), socket, verbose, time.Duration(every*float64(time.Second)))
			}
			snap, err := status.Fetch(cmd.Context(), socket)
			if err != nil {
				return err
			}
			if s.json {
				return writeJSON(cmd.OutOrStdout(), snap)
			}
			return snap.WriteTable(cmd.OutOrStdout(), verbose)
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&socket, "socket", "", "control `socket` of the gateway, if it is not the usual one")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the raw value of each channel beside what is published of it")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "again and again, until Ctrl-C")
	cmd.Flags().Float64Var(&every, "every", 1, "`seconds` between two looks of --watch")
	return cmd
}

func watchStatus(ctx context.Context, path string, verbose bool, every time.Duration) error {
	tick := time.NewTicker(max(every, 100*time.Millisecond))
	defer tick.Stop()
	for {
		snap, err := status.Fetch(ctx, path)
		if ctx.Err() != nil {
			return nil
		}
		fmt.Print("\x1b[H\x1b[2J") // home, clear: ECMA-48 8.3.21 and 8.3.39
		if err != nil {
			fmt.Println(terminal.EscapeText(err.Error())) // it may be restarting
		} else if err := snap.WriteTable(os.Stdout, verbose); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
