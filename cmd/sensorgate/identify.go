package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"sensorgate/drivers/modbus"
	"sensorgate/internal/config"
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

// writeUnit prints what to paste for a unit that answers, with the models that it may be
// read with.
func writeUnit(ctx context.Context, out io.Writer, c *modbus.Client, f modbus.Found, wire string, known []modbus.Candidate) error {
	id := c.Identify(ctx, known)
	fmt.Fprintf(out, "[device.unit%d]   # %s\n", f.Unit, terminal.Escape(f.Says))
	if len(id.Says) > 0 {
		fmt.Fprintf(out, "# it calls itself: %s\n", terminal.Escape(strings.Join(id.Says, ", ")))
	}
	if len(id.Models) > 0 {
		fmt.Fprintf(out, "model = %q\n", id.Models[0])
		for _, other := range id.Models[1:] {
			fmt.Fprintf(out, "# or model = %q\n", other)
		}
	} else {
		fmt.Fprintf(out, "driver = \"modbus\"   # or model = …, see: sensorgate model list modbus\n")
	}
	_, err := fmt.Fprintf(out, "%s\nunit   = %d\n\n", wire, f.Unit)
	return err
}

// scanModbusTCP asks units behind a Modbus TCP address.
func scanModbusTCP(ctx context.Context, out io.Writer, target string, units []byte, timeout time.Duration) error {
	n, known := 0, candidates()
	for _, unit := range units {
		flags := modbusFlags{unit: unit, timeout: timeout}
		err := flags.with(ctx, target, func(ctx context.Context, c *modbus.Client) error {
			says, there, err := c.Present(ctx)
			if !there {
				return err
			}
			n++
			addr := strings.TrimPrefix(target, "tcp://")
			if !strings.Contains(addr, ":") {
				addr += ":502"
			}
			return writeUnit(ctx, out, c, modbus.Found{Unit: unit, Says: says}, fmt.Sprintf("tcp    = %q", addr), known)
		})
		if err != nil {
			return err
		}
	}
	if n == 0 {
		return fmt.Errorf("no unit answered at %s (is Modbus TCP switched on in the device? other units: --units 1-247)", target)
	}
	return nil
}
