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
			f := scan.Found{Name: fmt.Sprintf("unit%d", unit), Note: says, Needs: "model", Text: fmt.Sprintf("tcp    = %q\nunit   = %d\n", addr, unit)}
			f.Identified(c.Identify(ctx, known))
			writeUnit(out, f)
			return nil
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
