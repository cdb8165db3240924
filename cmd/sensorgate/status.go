package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

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
				socket = s.findSocket() // a broken file is no reason not to look
			}
			v := statusView{socket: socket, json: s.json, raw: verbose, out: cmd.OutOrStdout()}
			if !watch {
				return v.once(cmd.Context())
			}
			v.live = !s.json && isTerminal(os.Stdout)
			return v.watch(cmd.Context(), time.Duration(every*float64(time.Second)))
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&socket, "socket", "", "control `socket` of the gateway, if it is not the usual one")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the raw value of each channel beside what is published of it")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "again and again, until Ctrl-C")
	cmd.Flags().Float64Var(&every, "every", 1, "`seconds` between two looks of --watch")
	return cmd
}

// statusView is how status shows a snapshot.
type statusView struct {
	socket          string
	json, raw, live bool // live: on a terminal, each look in the place of the one before
	out             io.Writer
}

func (v *statusView) once(ctx context.Context) error {
	snap, err := status.Fetch(ctx, v.socket)
	switch {
	case err != nil:
		return err
	case v.json:
		return writeJSON(v.out, snap)
	}
	var b strings.Builder
	if err := snap.WriteTable(&b, v.raw); err != nil {
		return err
	}
	text := b.String()
	if _, shown := v.out.(*terminal.Writer); shown { // which main puts in front of a terminal
		columns, _ := terminalSize()
		text = wrapped(text, columns)
	}
	_, err = io.WriteString(v.out, text)
	return err
}

// watch looks again and again until ctx ends or nobody reads any more. A gateway that does
// not answer may be restarting.
func (v *statusView) watch(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(max(every, 100*time.Millisecond))
	defer tick.Stop()
	for {
		if err := v.look(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (v *statusView) look(ctx context.Context) error {
	if !v.live {
		return v.once(ctx)
	}
	var b strings.Builder
	snap, err := status.Fetch(ctx, v.socket)
	if err == nil {
		err = snap.WriteTable(&b, v.raw)
	}
	if err != nil {
		fmt.Fprintln(&b, terminal.EscapeText(err.Error()))
	}
	return drawScreen(os.Stdout, b.String())
}
