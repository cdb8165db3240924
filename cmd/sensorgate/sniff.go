package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
	"sensorgate/internal/terminal"
)

func newSniff() *cobra.Command {
	var line, file, device string
	cmd := &cobra.Command{
		Use:   "sniff PORT",
		Short: "show live what is on a wire, in bytes and, with a configuration, in readings",
		Long: `Shows the bytes that arrive, with their times, until Ctrl-C. With --config and --device
the port is that device's, which is then really used (and asked, if it is one that must be
asked), and what it makes of the bytes stands below them. Stop the gateway first.`,
		Example: "  sensorgate sniff /dev/ttyUSB0 --line '9600 7E1'\n  sensorgate sniff --config sensorgate.toml --device scale",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			show := &byteView{w: cmd.OutOrStdout()}
			switch {
			case device != "" && len(args) == 0:
				return sniffDevice(cmd.Context(), file, device, show)
			case device == "" && len(args) == 1:
				return withWire(cmd.Context(), args[0], line, func(ctx context.Context, b *serial.Bus) error {
					b.Tap(show.bytes)
					return listen(ctx, b)
				})
			}
			return usageError{fmt.Errorf("give either a PORT, or --config and --device")}
		},
	}
	cmd.Flags().StringVar(&line, "line", "9600 8N1", "speed and frame")
	cmd.Flags().StringVar(&file, "config", "/etc/sensorgate/sensorgate.toml", "configuration of the device")
	cmd.Flags().StringVar(&device, "device", "", "name of the device to decode for")
	return cmd
}

// onWire is what options of devices on a wire have.
type onWire interface {
	MoveTo(bus string) *serial.PortOptions
}

// sniffDevice runs one device of a configuration, on a bus that can be looked at.
func sniffDevice(ctx context.Context, file, name string, show *byteView) error {
	dev, o, err := wireDevice(file, name)
	if err != nil {
		return err
	}
	bus := serial.NewBus(name, *o, slog.New(slog.DiscardHandler))
	bus.Tap(show.bytes)
	driver, err := driverOn(bus, dev.Driver.Name)
	if err != nil {
		return err
	}
	r := &drivers.Runner{Config: dev.Config, Driver: driver, Sink: show, Log: slog.New(slog.DiscardHandler)}
	r.Config.Store = nowhere{}
	r.Config.Unlisted = show.unlisted
	return runWire(ctx, bus, func(ctx context.Context, _ *serial.Bus) error { return r.Run(ctx) })
}

// wireDevice finds a device and the port that it is on, and moves it to the sniffed bus.
func wireDevice(file, name string) (*config.Device, *serial.PortOptions, error) {
	hw := gateway.NewHardware(slog.New(slog.DiscardHandler))
	cfg, problems := config.Load(file, hw.Catalogue())
	if cfg == nil {
		return nil, nil, usageError{fmt.Errorf("%s has faults (try: sensorgate check): %v", file, problems)}
	}
	for i := range cfg.Devices {
		dev := &cfg.Devices[i]
		if dev.Name != name {
			continue
		}
		w, ok := dev.Config.Options.(onWire)
		if !ok {
			return nil, nil, usageError{fmt.Errorf("device %s is not on a serial wire", name)}
		}
		claims := dev.Config.Options.(drivers.Claimer).Claims()
		o := w.MoveTo("sniffed")
		if o != nil {
			return dev, o, nil
		}
		for _, bus := range cfg.Serial {
			if len(claims) > 0 && bus.Name == claims[0].ID {
				return dev, bus.Options.(*serial.PortOptions), nil
			}
		}
		return nil, nil, usageError{fmt.Errorf("device %s is not on a serial wire", name)}
	}
	return nil, nil, usageError{fmt.Errorf("%s has no device %q", file, name)}
}

// byteView shows bytes and readings as they come.
type byteView struct {
	mu sync.Mutex
	w  io.Writer
}

// bytes is for Bus.Tap.
func (v *byteView) bytes(sent bool, p []byte, at time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	direction := "<"
	if sent {
		direction = ">"
	}
	const perLine = 16
	for len(p) > 0 {
		n := min(len(p), perLine)
		text := make([]byte, n)
		for i, b := range p[:n] {
			text[i] = '.'
			if b >= ' ' && b < 0x7F {
				text[i] = b
			}
		}
		fmt.Fprintf(v.w, "%s %s %-*s %s\n", at.Format("15:04:05.000"), direction, 3*perLine, fmt.Sprintf("% X", p[:n]), text)
		p = p[n:]
	}
}

// Readings shows what the device made of it.
func (v *byteView) Readings(rs []drivers.Reading) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range rs {
		fmt.Fprintf(v.w, "%s = %s = %s %s\n", r.Time.Format("15:04:05.000"), terminal.Escape(r.Channel), terminal.Escape(r.Value.String()), terminal.Escape(r.Unit))
	}
}

// unlisted shows what the device sent and no channel takes, with what to write in the file.
func (v *byteView) unlisted(r drivers.Reading) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fmt.Fprintf(v.w, "%s - %s: %s %s (no channel)\n", r.Time.Format("15:04:05.000"), terminal.Escape(r.Channel), terminal.Escape(r.Value.String()), terminal.Escape(r.Unit))
}

// Health shows trouble.
func (v *byteView) Health(_ string, h drivers.Health) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fmt.Fprintf(v.w, "%s ! %s %s\n", time.Now().Format("15:04:05.000"), h.State, terminal.Escape(h.Error))
}

// nowhere is the Store of a device that is only looked at.
type nowhere struct{}

// Load finds nothing.
func (nowhere) Load(string) ([]byte, bool) { return nil, false }

// Save keeps nothing.
func (nowhere) Save(string, []byte) {}
