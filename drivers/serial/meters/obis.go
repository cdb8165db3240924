package meters

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial/framing"
)

// obisChannel is a quantity that electricity meters report under an OBIS code.
type obisChannel struct {
	code   string // A-B:C.D.E of IEC 62056-61; F, the billing period, is left out
	name   string
	unit   string
	factor float64 // to unit, from W, Wh, var, varh as SML sends them; text says its own unit
	total  bool
}

// obisChannels are what devices of drivers sml and d0 have without being asked for.
var obisChannels = []obisChannel{
	{"1-0:1.8.0", "energy_import", "kWh", 1e-3, true},
	{"1-0:1.8.1", "energy_import_t1", "kWh", 1e-3, true},
	{"1-0:1.8.2", "energy_import_t2", "kWh", 1e-3, true},
	{"1-0:2.8.0", "energy_export", "kWh", 1e-3, true},
	{"1-0:2.8.1", "energy_export_t1", "kWh", 1e-3, true},
	{"1-0:2.8.2", "energy_export_t2", "kWh", 1e-3, true},
	{"1-0:16.7.0", "power", "W", 1, false},
	{"1-0:1.7.0", "power_import", "W", 1, false},
	{"1-0:2.7.0", "power_export", "W", 1, false},
	{"1-0:36.7.0", "power_l1", "W", 1, false},
	{"1-0:56.7.0", "power_l2", "W", 1, false},
	{"1-0:76.7.0", "power_l3", "W", 1, false},
	{"1-0:21.7.0", "power_import_l1", "W", 1, false},
	{"1-0:41.7.0", "power_import_l2", "W", 1, false},
	{"1-0:61.7.0", "power_import_l3", "W", 1, false},
	{"1-0:32.7.0", "voltage_l1", "V", 1, false},
	{"1-0:52.7.0", "voltage_l2", "V", 1, false},
	{"1-0:72.7.0", "voltage_l3", "V", 1, false},
	{"1-0:31.7.0", "current_l1", "A", 1, false},
	{"1-0:51.7.0", "current_l2", "A", 1, false},
	{"1-0:71.7.0", "current_l3", "A", 1, false},
	{"1-0:14.7.0", "frequency", "Hz", 1, false},
}

// OBISChannel is a channel of a meter beyond the usual ones.
type OBISChannel struct {
	OBIS OBIS `toml:"obis" doc:"The OBIS code of the quantity, such as \"1-0:1.8.0\"; without it, the code that the channel's name stands for."`
	field.Value
}

// OBIS is a code A-B:C.D.E.
type OBIS string

var obisForm = regexp.MustCompile(`^(\d+-\d+:)?\d+\.\d+\.\d+$`)

// UnmarshalText takes a code; "1.8.0" is short for "1-0:1.8.0".
func (o *OBIS) UnmarshalText(text []byte) error {
	if !obisForm.Match(text) {
		return fmt.Errorf("found %q, expected a code such as 1-0:1.8.0", text)
	}
	*o = OBIS(fullOBIS(string(text)))
	return nil
}

// fullOBIS returns A-B:C.D.E of a code as meters print it: without A-B, with *F.
func fullOBIS(code string) string {
	code, _, _ = strings.Cut(code, "*")
	if !strings.Contains(code, ":") {
		code = "1-0:" + code
	}
	return code
}

// obisOutputs are the channels that need no options.
func obisOutputs() []drivers.Channel {
	var list []drivers.Channel
	for _, c := range obisChannels {
		out := drivers.Channel{Name: c.name, Unit: c.unit}
		if c.total {
			out.Kind = drivers.Total
		}
		list = append(list, out)
	}
	return list
}

// obisDecoder sorts a meter's values into channels by their codes.
type obisDecoder struct {
	usual map[string]obisChannel
	own   map[string][]drivers.ChannelConfig // with options, by code
}

func newOBISDecoder(channels []drivers.ChannelConfig) (*obisDecoder, error) {
	d := &obisDecoder{usual: map[string]obisChannel{}, own: map[string][]drivers.ChannelConfig{}}
	codes := map[string]string{}
	for _, c := range obisChannels {
		d.usual[c.code] = c
		codes[c.name] = c.code
	}
	for _, site := range channels {
		o, ok := site.Options.(*OBISChannel)
		if !ok {
			continue
		}
		code := string(o.OBIS)
		if code == "" {
			if code = codes[site.Name]; code == "" {
				return nil, fmt.Errorf("channel %s needs the obis code of its quantity", site.Name)
			}
			if *o = (OBISChannel{Value: o.Value}); o.Scale == 0 && o.Offset == 0 && o.Map == nil && o.Min == nil && o.Max == nil {
				continue // only refined by what the mapping does
			}
		}
		d.own[code] = append(d.own[code], site)
		if site.Name == d.usual[code].name {
			delete(d.usual, code)
		}
	}
	return d, nil
}

// number passes on a value in unit: W, Wh, kW, V … as the meter says.
func (d *obisDecoder) number(code string, v float64, unit string, h *framing.Results) {
	code = fullOBIS(code)
	base, known := baseUnits[unit]
	if c, ok := d.usual[code]; ok {
		if known {
			v *= base // now in Wh, W …
		} else {
			c.factor = 1
		}
		h.Put(c.name, c.unit, drivers.Number(trim(v*c.factor)), nil)
	}
	for _, site := range d.own[code] {
		value, err := site.Options.(*OBISChannel).Of(v)
		h.Put(site.Name, site.Unit, value, err)
	}
}

// text passes on what is not a number, such as the meter's own: as text even if it
// looks like a number, which it is too long to be.
func (d *obisDecoder) text(code, s string, h *framing.Results) {
	for _, site := range d.own[fullOBIS(code)] {
		h.Put(site.Name, site.Unit, drivers.Text(s), nil)
	}
}

// baseUnits are the factors of what meters print to what SML sends.
var baseUnits = map[string]float64{
	"Wh": 1, "kWh": 1e3, "MWh": 1e6, "W": 1, "kW": 1e3, "var": 1, "kvar": 1e3, "varh": 1, "kvarh": 1e3,
	"V": 1, "A": 1, "Hz": 1, "VA": 1, "kVA": 1e3,
}

// trim keeps six digits behind the point: a centimetre of latitude's degree, and
// more than any sensor on a serial line has.
func trim(v float64) float64 { return math.Round(v*1e6) / 1e6 }
