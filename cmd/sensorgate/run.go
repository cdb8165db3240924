package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
	"sensorgate/internal/sdnotify"
	"sensorgate/internal/web"
)

const defaultConfig = "/etc/sensorgate/sensorgate.toml"

func newRun() *cobra.Command {
	var path, level, format string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "run the gateway until SIGTERM or SIGINT; SIGHUP reloads",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			direct, err := newLogger(os.Stderr, level, format)
			if err != nil {
				return usageError{err}
			}
			out := newLogWriter(os.Stderr, linesLost(direct))
			defer out.Close()
			log, _ := newLogger(out, level, format) // as above
			hub := web.NewHub()
			ring := web.NewLogRing(log.Handler(), hub)
			return run(cmd.Context(), path, hub, ring)
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", defaultConfig, "configuration `file`")
	cmd.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	cmd.Flags().StringVar(&format, "log-format", "text", "text or json")
	return cmd
}

func run(ctx context.Context, path string, hub *web.Hub, ring *web.LogRing) error {
	log := slog.New(ring)
	hw := gateway.NewHardware(log)
	load := func() (*config.Config, error) {
		c, problems := config.Load(path, hw.Catalogue())
		if len(problems) > 0 {
			problems.WriteText(os.Stderr, useColour(os.Stderr)) // also where there are only warnings
		}
		if c == nil {
			return nil, problems
		}
		return c, nil
	}
	// Before the configuration is read: a save that nobody confirmed is undone first.
	folder, err := gateway.OpenFolder(path, hw, log)
	if err != nil {
		data, _ := config.DataDir(path, hw.Catalogue())
		return explainStore(err, data, os.Geteuid())
	}
	c, err := load()
	if err != nil {
		fmt.Fprintln(os.Stderr, "Nothing was started.")
		return usageError{errReported}
	}
	notify, err := sdnotify.Open(os.Getenv, log)
	if err != nil {
		return err
	}
	defer notify.Close()
	g, err := gateway.New(gateway.Options{
		Config: c, Load: load, Hardware: hw, Log: log, Version: version(),
		Socket: gateway.SocketPath(c), Notify: notify, Hub: hub, Ring: ring, Folder: folder, Doctor: examine,
	})
	if err != nil {
		return explainStore(err, c.Data, os.Geteuid())
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case <-hup:
				if err := g.Reload(); err != nil {
					log.Error("reload refused; the running configuration is unchanged", "err", err)
				}
			case <-ended:
				return
			}
		}
	}()
	return g.Run(ctx)
}

// explainStore adds what to write when this user may not have the store where the
// configuration, or its default, puts it.
func explainStore(err error, data string, uid int) error {
	var store gateway.StoreError // a certificate or a file of passwords has nothing to do with data
	if !errors.As(err, &store) || !errors.Is(err, fs.ErrPermission) || uid == 0 {
		return err
	}
	state := os.Getenv("XDG_STATE_HOME") // XDG Base Directory Specification 0.8
	if home, herr := os.UserHomeDir(); state == "" && herr == nil {
		state = filepath.Join(home, ".local/state")
	}
	return fmt.Errorf("%w\n%s is the store of the service. For a gateway of your own write a folder of yours at the top of its file:\n\n    data = %q",
		err, data, filepath.Join(state, "sensorgate"))
}

func newLogger(f io.Writer, level, format string) (*slog.Logger, error) {
	var o slog.HandlerOptions
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level: found %q, expected debug, info, warn or error", level)
	}
	o.Level = l
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(f, &o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(f, &o)), nil
	}
	return nil, fmt.Errorf("--log-format: found %q, expected text or json", format)
}
