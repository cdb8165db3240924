package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
	"sensorgate/internal/terminal"
)

func newSimulate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "be a device that is not there, to try a configuration with",
	}
	cmd.AddCommand(newSimulateModel())
	return cmd
}

// stage is where a simulated device can be reached.
type stage struct {
	pty  bool
	link string
	tcp  string
}

func newSimulateModel() *cobra.Command {
	var s settings
	var at stage
	cmd := &cobra.Command{
		Use:   "model MODEL",
		Short: "answer or speak as a device of a model would, with plausible values",
		Long: `Answers as a device of the model would, or speaks as it would, with plausible values in
all of its channels, until Ctrl-C. It prints what to write in a configuration to read it.
With --pty it is on a pseudo terminal, and --link gives that a name that stays; with --tcp
it is a Modbus TCP device, or a serial server with the device behind it. Set-points
can be written. Your own models in models/ beside the configuration can be tried too.`,
		Example: "  sensorgate simulate model eastron/sdm630 --pty --link /tmp/meter\n  sensorgate simulate model sunspec/inverter --tcp 127.0.0.1:5020",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if at.pty == (at.tcp != "") || at.link != "" && !at.pty {
				return usageError{errors.New("give either --pty, perhaps with --link NAME, or --tcp HOST:PORT")}
			}
			sim, driver, err := s.simulation(args[0], at.tcp != "")
			if err != nil {
				return err
			}
			if at.pty {
				return simulateOnPTY(cmd.Context(), cmd.OutOrStdout(), sim, args[0], at.link)
			}
			return simulateOnTCP(cmd.Context(), cmd.OutOrStdout(), sim, args[0], driver, at.tcp)
		},
	}
	cmd.Flags().BoolVar(&at.pty, "pty", false, "on a pseudo terminal")
	cmd.Flags().StringVar(&at.link, "link", "", "with --pty: a name for the port, made as a link")
	cmd.Flags().StringVar(&at.tcp, "tcp", "", "on this host:port")
	cmd.Flags().StringVarP(&s.path, "config", "c", "/etc/sensorgate/sensorgate.toml", "beside it is the folder models with your own")
	return cmd
}

// simulation makes the device of a model.
func (s *settings) simulation(model string, tcp bool) (drivers.Simulation, string, error) {
	catalogue := gateway.NewHardware(discard).Catalogue()
	load := func(wire string) (*config.Config, config.Problems) {
		text := fmt.Sprintf("node = \"simulated\"\n[device.x]\nmodel = %q\n%s\n", model, wire)
		return config.LoadTexts([]config.Text{{Name: filepath.Join(filepath.Dir(s.path), "simulated.toml"), Text: text}}, catalogue)
	}
	onWire, overTCP := `serial = { port = "/dev/null" }`, `tcp = "127.0.0.1:502"`
	cfg, problems := load(onWire)
	if tcp {
		if direct, _ := load(overTCP); direct != nil {
			cfg = direct
		}
	}
	if cfg == nil {
		return drivers.Simulation{}, "", usageError{fmt.Errorf("model %s: %v", model, problems)}
	}
	dev := cfg.Devices[0]
	if dev.Driver.Simulate == nil {
		return drivers.Simulation{}, "", usageError{fmt.Errorf("driver %s cannot be simulated", dev.Driver.Name)}
	}
	sim, err := dev.Driver.Simulate(dev.Config)
	return sim, dev.Driver.Name, err
}

// introduce prints what to write in a configuration, and what the device has.
func introduce(out io.Writer, sim drivers.Simulation, model, wire string) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "[device.simulated]\nmodel = %q\n%s\n\n", model, wire)
	for _, r := range sim.Values(0) {
		fmt.Fprintf(w, "# %s\t%s\n", r.Channel, terminal.Escape(strings.TrimSpace(r.Value.String()+" "+r.Unit)))
	}
	return w.Flush()
}

func simulateOnPTY(ctx context.Context, out io.Writer, sim drivers.Simulation, model, link string) error {
	wire, pts, path, done, err := openPTY(link)
	if err != nil {
		return err
	}
	defer done()
	if err := introduce(out, sim, model, fmt.Sprintf("serial = { port = %q }", path)); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := serial.AwaitOpen(ctx, wire, pts); err != nil && ctx.Err() == nil {
			return err
		}
		// EIO: whoever read it has closed it, and may come back.
		if err := serveUntil(ctx, sim, wire); err != nil && ctx.Err() == nil && !errors.Is(err, syscall.EIO) {
			return err
		}
	}
	return nil // asked to stop
}

// serveUntil ends a read that waits when ctx ends.
func serveUntil(ctx context.Context, sim drivers.Simulation, wire io.ReadWriteCloser) error {
	stop := context.AfterFunc(ctx, func() { wire.Close() })
	defer stop()
	return sim.Serve(ctx, wire)
}

func simulateOnTCP(ctx context.Context, out io.Writer, sim drivers.Simulation, model, driver, addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	wire := fmt.Sprintf("serial = { tcp = %q }", l.Addr())
	if driver == "modbus" {
		wire = fmt.Sprintf("tcp = %q", l.Addr())
	}
	if err := introduce(out, sim, model, wire); err != nil {
		return err
	}
	var open sync.WaitGroup
	defer open.Wait()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil // asked to stop
		}
		if err != nil {
			return err
		}
		open.Go(func() {
			defer conn.Close()
			_ = serveUntil(ctx, sim, conn) // who asked is gone
		})
	}
}
