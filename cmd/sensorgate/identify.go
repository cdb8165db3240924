package main

import (
	"fmt"
	"io"
	"path/filepath"

	"sensorgate/drivers/modbus"
	"sensorgate/internal/gateway"
	"sensorgate/internal/scan"
	"sensorgate/internal/terminal"
)

// candidates are the Modbus models that a device can be known to be of.
func (s *settings) candidates() []modbus.Candidate {
	return gateway.Candidates(gateway.NewHardware(discard).Catalogue(), filepath.Dir(s.path))
}

// writeUnit prints what to paste for a unit that answers.
func writeUnit(out io.Writer, f scan.Found) {
	if f.Needs == "model" {
		f.Text = "driver = \"modbus\"   # or model = …, see: sensorgate model list modbus\n" + f.Text
	}
	fmt.Fprintf(out, "[device.%s]   # %s\n%s\n", f.Name, terminal.Escape(f.Note), f.Text)
}
