package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"sensorgate/drivers/modbus"
	"sensorgate/drivers/serial"
	"sensorgate/internal/config"
	"sensorgate/internal/scan"
	"sensorgate/internal/terminal"
)

// candidates are the Modbus models that a device can be known to be of.
func candidates() (list []modbus.Candidate) {
	var s settings
	catalogue := s.catalogue()
	for _, name := range config.ModelNames(catalogue, filepath.Dir(defaultConfig)) {
		text := fmt.Sprintf("node = \"n\"\n[device.x]\nmodel = %q\ntcp = \"127.0.0.1:502\"\n", name)
		cfg, _ := config.LoadTexts([]config.Text{{Name: defaultConfig, Text: text}}, catalogue)
		if cfg == nil || len(cfg.Devices) != 1 {
			continue // not Modbus
		}
		if c, ok := modbus.CandidateOf(name, cfg.Devices[0].Config); ok {
			list = append(list, c)
		}
	}
	return list
}

// writeUnit prints what to paste for a unit that answers.
func writeUnit(out io.Writer, f scan.Found) {
	if f.Needs == "model" {
		f.Text = "driver = \"modbus\"   # or model = …, see: sensorgate model list modbus\n" + f.Text
	}
	fmt.Fprintf(out, "[device.%s]   # %s\n%s\n", f.Name, terminal.Escape(f.Note), f.Text)
}

// scanModbusTCP asks units behind a Modbus TCP address.
func scanModbusTCP(ctx context.Context, out io.Writer, target string, units []byte, timeout time.Duration) error {
	n, known, addr := 0, candidates(), tcpAddress(target)
	b := serial.NewBus(target, serial.PortOptions{TCP: addr}, slog.New(slog.DiscardHandler))
	err := runWire(ctx, b, func(ctx context.Context, b *serial.Bus) error {
		for _, unit := range units {
			c := modbus.NewClient(b, unit, timeout, true)
			says, there, err := c.Present(ctx)
			if err != nil {
				return err
			}
			if !there {
				continue
			}
			n++
			f := scan.Found{Name: fmt.Sprintf("unit%d", unit), Note: says, Needs: "model", Text: fmt.Sprintf("tcp    = %q\nunit   = %d\n", addr, unit)}
			f.Identified(c.Identify(ctx, known))
			writeUnit(out, f)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if n == 0 && ctx.Err() == nil {
		return fmt.Errorf("no unit answered at %s (is Modbus TCP switched on in the device? other units: --unit 1-247)", target)
	}
	return nil
}
