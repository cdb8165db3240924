package meters

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/framing"
)

// TeleinfoOptions of a French meter's customer port. Enedis-NOI-CPT_54E (Linky) and
// ERDF-NOI-CPT_02E (before).
type TeleinfoOptions struct {
	serial.Wire
	Mode    TeleinfoMode  `toml:"mode" example:"\"standard\"" doc:"The mode of the meter, historic (1200 baud) or standard (9600 baud); its display shows which."`
	Silence time.Duration `toml:"silence" doc:"After this time without a good group a fault is reported."`
}

// TeleinfoMode is how the meter talks.
type TeleinfoMode string

// The modes.
const (
	Historic TeleinfoMode = "historic"
	Standard TeleinfoMode = "standard"
)

// UnmarshalText takes one of the modes.
func (m *TeleinfoMode) UnmarshalText(text []byte) error {
	if mode := TeleinfoMode(text); mode != Historic && mode != Standard {
		return fmt.Errorf("found %q, expected historic or standard", text)
	}
	*m = TeleinfoMode(text)
	return nil
}

// teleinfoLabels are the groups that are given without being asked for.
var teleinfoLabels = map[TeleinfoMode][]struct {
	label string
	drivers.Channel
	factor float64
}{
	Historic: {
		{"BASE", drivers.Channel{Name: "energy_import", Unit: "kWh", Kind: drivers.Total}, 1e3},
		{"HCHC", drivers.Channel{Name: "energy_import_t1", Unit: "kWh", Kind: drivers.Total}, 1e3},
		{"HCHP", drivers.Channel{Name: "energy_import_t2", Unit: "kWh", Kind: drivers.Total}, 1e3},
		{"PAPP", drivers.Channel{Name: "apparent_power", Unit: "VA"}, 1},
		{"IINST", drivers.Channel{Name: "current", Unit: "A"}, 1},
		{"IINST1", drivers.Channel{Name: "current_l1", Unit: "A"}, 1},
		{"IINST2", drivers.Channel{Name: "current_l2", Unit: "A"}, 1},
		{"IINST3", drivers.Channel{Name: "current_l3", Unit: "A"}, 1},
	},
	Standard: {
		{"EAST", drivers.Channel{Name: "energy_import", Unit: "kWh", Kind: drivers.Total}, 1e3},
		{"EAIT", drivers.Channel{Name: "energy_export", Unit: "kWh", Kind: drivers.Total}, 1e3},
		{"EASF01", drivers.Channel{Name: "energy_import_t1", Unit: "kWh", Kind: drivers.Total}, 1e3},
		{"EASF02", drivers.Channel{Name: "energy_import_t2", Unit: "kWh", Kind: drivers.Total}, 1e3},
		{"SINSTS", drivers.Channel{Name: "apparent_power", Unit: "VA"}, 1},
		{"SINSTI", drivers.Channel{Name: "apparent_power_export", Unit: "VA"}, 1},
		{"IRMS1", drivers.Channel{Name: "current_l1", Unit: "A"}, 1},
		{"IRMS2", drivers.Channel{Name: "current_l2", Unit: "A"}, 1},
		{"IRMS3", drivers.Channel{Name: "current_l3", Unit: "A"}, 1},
		{"URMS1", drivers.Channel{Name: "voltage_l1", Unit: "V"}, 1},
		{"URMS2", drivers.Channel{Name: "voltage_l2", Unit: "V"}, 1},
		{"URMS3", drivers.Channel{Name: "voltage_l3", Unit: "V"}, 1},
	},
}

// Outputs are the usual channels of the mode.
func (o *TeleinfoOptions) Outputs() []drivers.Channel {
	var list []drivers.Channel
	for _, l := range teleinfoLabels[o.Mode] {
		list = append(list, l.Channel)
	}
	return list
}

// TeleinfoChannel is a group beyond the usual ones.
type TeleinfoChannel struct {
	Label string `toml:"label" example:"\"PTEC\"" doc:"The label of the group, such as PTEC or NTARF."`
	field.Value
}

func teleinfoDriver(ws *serial.Wires) drivers.Driver {
	return drivers.Driver{
		Name:           "teleinfo",
		Summary:        "French electricity meters (Linky and older): customer port, historic and standard mode",
		Options:        func() any { return &TeleinfoOptions{Mode: Historic, Silence: time.Minute} },
		ChannelOptions: func() any { return new(TeleinfoChannel) },
		Simulate:       simulateTeleinfo,
		Open: func(_ context.Context, s drivers.DeviceConfig) (any, error) {
			o := s.Options.(*TeleinfoOptions)
			line := serial.Line{Baud: 1200, Bits: 7, Parity: 'E', Stop: 1}
			if o.Mode == Standard {
				line.Baud = 9600
			}
			wire := withLine(o.Wire, line)
			return framing.Open(ws, s, framing.Device{
				Wire: wire, Silence: o.Silence,
				Framer:  framing.Framer{Cutter: &framing.LineCutter{Max: 256}}, // a group is a line
				Decoder: newTeleinfoDecoder(o.Mode, s.Channels),
			})
		},
	}
}

// teleinfoDecoder sorts groups into channels.
type teleinfoDecoder struct {
	mode     TeleinfoMode
	channels []drivers.ChannelConfig
}

func newTeleinfoDecoder(mode TeleinfoMode, channels []drivers.ChannelConfig) *teleinfoDecoder {
	return &teleinfoDecoder{mode: mode, channels: channels}
}

// decode takes one group: label, value (standard mode: perhaps a time before it) and check
// character, with blanks (historic) or tabs (standard) between.
func (d *teleinfoDecoder) Decode(line []byte, h *framing.Results) {
	line = bytes.TrimLeft(line, "\x02\x03\x04") // frame marks stand between groups
	if len(line) == 0 {
		return
	}
	label, value, err := d.group(line)
	if err != nil {
		h.Reject(err)
		return
	}
	taken := d.usual(label, value, h)
	for _, c := range d.channels {
		if o, ok := c.Options.(*TeleinfoChannel); ok && o.Label == label {
			v, err := o.OfText(value)
			h.Put(c.Name, c.Unit, v, err)
			taken = true
		}
	}
	if !taken {
		h.Other("label", label, "", drivers.Text(value))
	}
}

// usual puts the value of a group that has a channel without being asked for.
func (d *teleinfoDecoder) usual(label, value string, h *framing.Results) bool {
	for _, l := range teleinfoLabels[d.mode] {
		if l.label != label {
			continue
		}
		if v, ok := field.ParseNumber(value); ok {
			h.Put(l.Name, l.Unit, drivers.Number(drivers.Scale(v, 1/l.factor, 0)), nil)
		} else {
			h.Put(l.Name, "", drivers.Value{}, fmt.Errorf("%.40q is not a number", value))
		}
		return true
	}
	return false
}

func (d *teleinfoDecoder) group(line []byte) (label, value string, err error) {
	n := len(line)
	if n < 5 {
		return "", "", fmt.Errorf("group %.40q is too short", line)
	}
	separator, protected := byte('\t'), line[:n-1]
	if d.mode == Historic {
		separator, protected = ' ', line[:n-2]
	}
	// All up to the check character, in historic mode without the blank before it.
	if want := teleinfoCheck(protected); want != line[n-1] {
		return "", "", fmt.Errorf("checksum of %.40q: %q, the group says %q", line, want, line[n-1])
	}
	if line[n-2] != separator {
		return "", "", errors.New("checksum right, but no separator (other mode?)")
	}
	parts := bytes.Split(line[:n-2], []byte{separator})
	if len(parts) < 2 {
		return "", "", fmt.Errorf("group %.40q has no value", line)
	}
	return string(parts[0]), string(parts[len(parts)-1]), nil
}
