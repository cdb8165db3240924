package meters

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial/framing"
)

// obisCode is A-B:C.D.E*F of IEC 62056-61: medium, channel, quantity, kind of value,
// tariff, billing period.
type obisCode [6]uint8

// present is group F of the value of now. Everything else is a former billing period, or
// one of several things of a kind where the code is not of a quantity (see abstract).
const present = 255

// obisLetters are group C in letters, as IEC 62056-21 prints it: C.1.0 is 0.96.1.0.
var obisLetters = map[string]uint8{"C": 96, "F": 97, "L": 98, "P": 99}

// parseOBIS reads a code as meters print it and users write it: 1-0:1.8.0*255, 1.8.0,
// 1.8.1*11, 1.8.1&11 (a billing period that was reset by hand), 32.7, C.1.0. What is left
// out is 1-0, E = 0 and F = 255.
func parseOBIS(text string) (code obisCode, ok bool) {
	code = obisCode{1, 0, 0, 0, 0, present}
	if head, rest, found := strings.Cut(text, ":"); found {
		a, b, found := strings.Cut(head, "-")
		if !found || !obisGroup(a, &code[0]) || !obisGroup(b, &code[1]) {
			return code, false
		}
		text = rest
	}
	if i := strings.IndexAny(text, "*&"); i >= 0 {
		if !obisGroup(text[i+1:], &code[5]) {
			return code, false
		}
		text = text[:i]
	}
	groups := strings.Split(text, ".")
	if len(groups) < 2 || len(groups) > 3 {
		return code, false
	}
	if letter, found := obisLetters[groups[0]]; found {
		groups[0] = strconv.Itoa(int(letter))
	}
	for i, g := range groups {
		if letter, found := obisLetters[g]; found && i == 1 { // F.F, the fatal error register
			g = strconv.Itoa(int(letter))
		}
		if !obisGroup(g, &code[2+i]) {
			return code, false
		}
	}
	return code, true
}

func obisGroup(text string, to *uint8) bool {
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil || len(text) > 3 {
		return false
	}
	*to = uint8(n)
	return true
}

// String returns A-B:C.D.E, and *F behind it if that is not the present value.
func (c obisCode) String() string {
	s := fmt.Sprintf("%d-%d:%d.%d.%d", c[0], c[1], c[2], c[3], c[4])
	if c[5] != present {
		s += fmt.Sprintf("*%d", c[5])
	}
	return s
}

// abstract reports whether the code is not of a quantity, but of the meter's numbers and
// states (C is 0 or from 94). There F is no billing period.
func (c obisCode) abstract() bool { return c[2] == 0 || c[2] >= 94 }

// OBIS is a code as it is written in the file.
type OBIS string

// UnmarshalText takes a code; "1.8.0" is short for "1-0:1.8.0". With "*96" behind it, it
// is the value of a former billing period.
func (o *OBIS) UnmarshalText(text []byte) error {
	code, ok := parseOBIS(string(text))
	if !ok {
		return fmt.Errorf("found %q, expected a code such as 1-0:1.8.0, or 1-0:1.8.0*96 for a former billing period", text)
	}
	*o = OBIS(code.String())
	return nil
}

// obisChannel is a quantity that electricity meters report under an OBIS code.
type obisChannel struct {
	code string
	drivers.Channel
}

func obisTotal(code, name, unit string) obisChannel {
	return obisChannel{code, drivers.Channel{Name: name, Unit: unit, Kind: drivers.Total}}
}

func obisGauge(code, name, unit string) obisChannel {
	return obisChannel{code, drivers.Channel{Name: name, Unit: unit}}
}

// obisChannels are what devices of drivers sml, d0 and p1 have without being asked for.
var obisChannels = []obisChannel{
	obisTotal("1-0:1.8.0", "energy_import", "kWh"),
	obisTotal("1-0:1.8.1", "energy_import_t1", "kWh"),
	obisTotal("1-0:1.8.2", "energy_import_t2", "kWh"),
	obisTotal("1-0:2.8.0", "energy_export", "kWh"),
	obisTotal("1-0:2.8.1", "energy_export_t1", "kWh"),
	obisTotal("1-0:2.8.2", "energy_export_t2", "kWh"),
	obisGauge("1-0:16.7.0", "power", "W"),
	obisGauge("1-0:1.7.0", "power_import", "W"),
	obisGauge("1-0:2.7.0", "power_export", "W"),
	obisGauge("1-0:36.7.0", "power_l1", "W"),
	obisGauge("1-0:56.7.0", "power_l2", "W"),
	obisGauge("1-0:76.7.0", "power_l3", "W"),
	obisGauge("1-0:21.7.0", "power_import_l1", "W"),
	obisGauge("1-0:41.7.0", "power_import_l2", "W"),
	obisGauge("1-0:61.7.0", "power_import_l3", "W"),
	obisGauge("1-0:32.7.0", "voltage_l1", "V"),
	obisGauge("1-0:52.7.0", "voltage_l2", "V"),
	obisGauge("1-0:72.7.0", "voltage_l3", "V"),
	obisGauge("1-0:31.7.0", "current_l1", "A"),
	obisGauge("1-0:51.7.0", "current_l2", "A"),
	obisGauge("1-0:71.7.0", "current_l3", "A"),
	obisGauge("1-0:14.7.0", "frequency", "Hz"),
}

// obisOutputs are the channels that need no options.
func obisOutputs(list []obisChannel) (out []drivers.Channel) {
	for _, c := range list {
		known := c.Channel
		known.Optional = true // what meters may send, and each sends a part of
		out = append(out, known)
	}
	return out
}

// OBISChannel is a channel of a meter beyond the usual ones.
type OBISChannel struct {
	OBIS      OBIS `toml:"obis" example:"\"1-0:1.8.0\"" doc:"The OBIS code of the quantity, such as \"1-0:1.8.0\", or with the billing period \"1-0:1.8.0*96\"; without it, the code that the channel's name stands for."`
	StatusBit *int `toml:"status_bit" example:"3" doc:"Driver sml: this bit of the status word that stands with the value, as true or false; 0 is the lowest."`
	field.Value

	kilo bool // energy and power are taken in kWh, kW … whatever the telegram has
}

// Check is called when the file is read.
func (c *OBISChannel) Check() error {
	if c.StatusBit != nil && (*c.StatusBit < 0 || *c.StatusBit > 63) {
		return &drivers.KeyError{Key: "status_bit", Problem: fmt.Sprintf("found %d, expected 0 to 63", *c.StatusBit)}
	}
	return c.Value.Check()
}

// works reports whether the file says how the printed number becomes the value.
func (c *OBISChannel) works() bool {
	return c != nil && (c.Scale != 0 || c.Offset != 0 || c.Map != nil)
}

// obisTarget is a channel that a code feeds.
type obisTarget struct {
	name, unit string
	options    *OBISChannel // nil: a usual channel that the file does not name
}

// obisDecoder sorts a meter's values into channels by their codes.
type obisDecoder struct {
	targets map[obisCode][]obisTarget
}

func newOBISDecoder(usual []obisChannel, channels []drivers.ChannelConfig) (*obisDecoder, error) {
	d := &obisDecoder{targets: map[obisCode][]obisTarget{}}
	byName := map[string]obisChannel{}
	for _, c := range usual {
		byName[c.Name] = c
	}
	for _, c := range channels {
		o, ok := c.Options.(*OBISChannel)
		if !ok {
			continue
		}
		text, target := string(o.OBIS), obisTarget{c.Name, c.Unit, o}
		if known, ok := byName[c.Name]; ok {
			if text == "" {
				text = known.code
			}
			if target.unit == "" {
				target.unit = known.Unit
			}
			delete(byName, c.Name)
		}
		code, ok := parseOBIS(text)
		if !ok {
			return nil, fmt.Errorf("channel %s needs the obis code of its quantity", c.Name)
		}
		d.targets[code] = append(d.targets[code], target)
	}
	for _, c := range byName {
		code, _ := parseOBIS(c.code)
		d.targets[code] = append(d.targets[code], obisTarget{name: c.Name, unit: c.Unit})
	}
	return d, nil
}

// wanted are the channels that a code feeds. A code that is not of a quantity has no
// billing periods: asked for without F it is whichever the meter sends.
func (d *obisDecoder) wanted(code obisCode) []obisTarget {
	targets := d.targets[code]
	if len(targets) == 0 && code.abstract() {
		code[5] = present
		targets = d.targets[code]
	}
	return targets
}

// number passes on a value in the unit that stands with it, or "" where none does.
func (d *obisDecoder) number(code obisCode, v float64, unit string, r *framing.Results) {
	targets := d.wanted(code)
	if len(targets) == 0 {
		r.Other("obis", code.String(), unit, drivers.Number(v))
		return
	}
	for i := range targets {
		if o := targets[i].options; o == nil || o.StatusBit == nil {
			targets[i].number(v, unit, r)
		}
	}
}

// number converts by the unit in the telegram. Where the file scales, it is the number
// as the meter prints it that is scaled.
func (t *obisTarget) number(v float64, unit string, r *framing.Results) {
	if usual, known := framing.UnitNamed(unit); known {
		unit = usual
	}
	_, convertible := framing.UnitNamed(t.unit)
	if kilo, ok := kiloUnits[unit]; ok && t.options != nil && t.options.kilo {
		v, _ = framing.Convert(v, unit, kilo)
		unit, convertible = kilo, false
	}
	switch {
	case t.unit != "" && !convertible, t.options.works():
		if t.unit != "" {
			unit = t.unit // a word of the user's own
		}
	case t.unit != "" && unit == "" && t.options == nil:
		r.Put(t.name, "", drivers.Value{}, fmt.Errorf("%v has no unit, %s was expected", v, t.unit))
		return
	case t.unit != "" && unit != "":
		converted, err := framing.Convert(v, unit, t.unit)
		if err != nil {
			r.Put(t.name, "", drivers.Value{}, err)
			return
		}
		v, unit = converted, t.unit
	case unit == "":
		unit = t.unit
	}
	if t.options == nil {
		r.Put(t.name, unit, drivers.Number(trim(v)), nil)
		return
	}
	value, err := t.options.Of(v)
	r.Put(t.name, unit, value, err)
}

// kiloUnits are what models of P1 ports took numbers in, by what a telegram may have.
var kiloUnits = map[string]string{
	"W": "kW", "kW": "kW", "MW": "kW", "Wh": "kWh", "kWh": "kWh", "MWh": "kWh", "var": "kvar", "kvar": "kvar", "varh": "kvarh", "kvarh": "kvarh", "VA": "kVA", "kVA": "kVA",
}

// text passes on what is not a number, such as the meter's own: as text even if it
// looks like a number, which it is too long to be.
func (d *obisDecoder) text(code obisCode, s string, r *framing.Results) {
	targets := d.wanted(code)
	if len(targets) == 0 {
		r.Other("obis", code.String(), "", drivers.Text(s))
	}
	for _, t := range targets {
		switch {
		case t.options == nil:
			r.Put(t.name, "", drivers.Value{}, fmt.Errorf("%.20q has no unit, %s was expected", s, t.unit))
		case t.options.StatusBit != nil:
		case t.unit != "" || t.options.works() || t.options.Min != nil || t.options.Max != nil:
			v, err := t.options.OfText(s)
			r.Put(t.name, t.unit, v, err)
		default:
			r.Put(t.name, "", drivers.Text(s), nil)
		}
	}
}

// fault is the reason why the channels of a code have no value.
func (d *obisDecoder) fault(code obisCode, err error, r *framing.Results) {
	for _, t := range d.wanted(code) {
		r.Put(t.name, "", drivers.Value{}, err)
	}
}

// status passes on the status word that stands with a value.
func (d *obisDecoder) status(code obisCode, word uint64, r *framing.Results) {
	for _, t := range d.wanted(code) {
		if t.options != nil && t.options.StatusBit != nil {
			r.Put(t.name, "", drivers.Bool(word>>*t.options.StatusBit&1 != 0), nil)
		}
	}
}

// trim keeps six digits behind the point: a centimetre of latitude's degree, and
// more than any sensor on a serial line has.
func trim(v float64) float64 { return math.Round(v*1e6) / 1e6 }
