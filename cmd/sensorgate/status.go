package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
	"sensorgate/internal/status"
)

// controlSocket finds the running gateway.
type controlSocket struct {
	path   string
	config string
}

func (c *controlSocket) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.path, "socket", "", "control `socket` of the gateway; default: that of the configuration")
	cmd.Flags().StringVarP(&c.config, "config", "c", defaultConfig, "configuration `file` of the gateway")
}

// packagedSocket is where the systemd unit's gateway listens.
const packagedSocket = "/run/sensorgate/control.sock"

func (c *controlSocket) find() string {
	if c.path != "" {
		return c.path
	}
	// Also a configuration that is broken by now says where the journal is, but not here:
	// then the place of the packaged service is the best guess.
	if _, err := os.Stat(packagedSocket); err == nil && c.config == defaultConfig {
		return packagedSocket
	}
	cfg, _ := config.Load(c.config, catalogue(gateway.NewHardware(discard)))
	if cfg == nil || gateway.SocketPath(cfg) == "" {
		return packagedSocket
	}
	return gateway.SocketPath(cfg)
}

func newStatus() *cobra.Command {
	var s controlSocket
	var asJSON, watch bool
	var every float64
	cmd := &cobra.Command{
		Use:   "status",
		Short: "show devices, queues and upstreams of the running gateway",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := s.find()
			if watch && !asJSON && isTerminal(os.Stdout) {
				return watchStatus(cmd.Context(), path, time.Duration(every*float64(time.Second)))
			}
			snap, err := status.Fetch(cmd.Context(), path)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), snap)
			}
			return snap.WriteTable(cmd.OutOrStdout())
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON for programs")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "again and again, until Ctrl-C")
	cmd.Flags().Float64Var(&every, "every", 1, "`seconds` between two looks of --watch")
	return cmd
}

func watchStatus(ctx context.Context, path string, every time.Duration) error {
	tick := time.NewTicker(max(every, 100*time.Millisecond))
	defer tick.Stop()
	for {
		snap, err := status.Fetch(ctx, path)
		if ctx.Err() != nil {
			return nil
		}
		fmt.Print("\x1b[H\x1b[2J") // home, clear: ECMA-48 8.3.21 and 8.3.39
		if err != nil {
			fmt.Println(err) // it may be restarting
		} else if err := snap.WriteTable(os.Stdout); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func newReload() *cobra.Command {
	var s controlSocket
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "make the running gateway read its configuration again",
		Long: `What did not change goes on without a hiccup. A configuration with a fault is refused,
and nothing changes. See first what it would do: sensorgate plan.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := status.Reload(cmd.Context(), s.find()); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "reloaded")
			return nil
		},
	}
	s.flags(cmd)
	return cmd
}
