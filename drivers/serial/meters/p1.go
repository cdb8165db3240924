package meters

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/framing"
)

// P1Options of a meter with a customer port after the DSMR P1 companion standard: the
// Netherlands, Belgium, Luxembourg, Ireland, Sweden, Denmark, Finland, Hungary.
type P1Options struct {
	serial.Wire
	CRC     bool          `toml:"crc" doc:"Telegrams end with a check sum, as in version 4 and later; false is for versions 2 and 3."`
	Silence time.Duration `toml:"silence" doc:"After this time without a good telegram a fault is reported."`
}

// Outputs are the usual channels, and those of the meters behind the meter.
func (o *P1Options) Outputs() []drivers.Channel {
	list := obisOutputs(p1Channels)
	for _, kind := range p1Kinds {
		list = append(list, drivers.Channel{Name: kind.name, Unit: kind.unit, Kind: drivers.Total})
	}
	return append(list, drivers.Channel{Name: "tariff", Kind: drivers.State})
}

// p1Channels are the quantities of P1 ports. Ports have power as import and export;
// power of a phase is called what models of P1 ports have always called it.
var p1Channels = []obisChannel{
	obisTotal("1-0:1.8.0", "energy_import", "kWh"),
	obisTotal("1-0:1.8.1", "energy_import_t1", "kWh"),
	obisTotal("1-0:1.8.2", "energy_import_t2", "kWh"),
	obisTotal("1-0:2.8.0", "energy_export", "kWh"),
	obisTotal("1-0:2.8.1", "energy_export_t1", "kWh"),
	obisTotal("1-0:2.8.2", "energy_export_t2", "kWh"),
	obisGauge("1-0:1.7.0", "power_import", "W"),
	obisGauge("1-0:2.7.0", "power_export", "W"),
	obisGauge("1-0:32.7.0", "voltage_l1", "V"),
	obisGauge("1-0:52.7.0", "voltage_l2", "V"),
	obisGauge("1-0:72.7.0", "voltage_l3", "V"),
	obisGauge("1-0:31.7.0", "current_l1", "A"),
	obisGauge("1-0:51.7.0", "current_l2", "A"),
	obisGauge("1-0:71.7.0", "current_l3", "A"),
	obisGauge("1-0:21.7.0", "power_l1", "W"),
	obisGauge("1-0:41.7.0", "power_l2", "W"),
	obisGauge("1-0:61.7.0", "power_l3", "W"),
	obisGauge("1-0:22.7.0", "power_export_l1", "W"),
	obisGauge("1-0:42.7.0", "power_export_l2", "W"),
	obisGauge("1-0:62.7.0", "power_export_l3", "W"),
	obisGauge("1-0:1.4.0", "peak_quarter", "W"), // Belgium: average of this quarter hour, and the month's highest
	obisGauge("1-0:1.6.0", "peak_month", "W"),
}

// P1Channel is a channel of a P1 port beyond the usual ones.
type P1Channel struct {
	OBISChannel
	Key string `toml:"key" example:"\"1-0:1.7.0\"" doc:"The old name of obis; a number in W or Wh is taken in kW or kWh, as models of P1 ports did."`
}

// Check is called when the file is read.
func (c *P1Channel) Check() error {
	if c.Key == "" {
		return c.OBISChannel.Check()
	}
	code, ok := parseOBIS(c.Key)
	if !ok || c.OBIS != "" {
		return &drivers.KeyError{Key: "key", Problem: fmt.Sprintf("found %q, expected an OBIS code, and no obis beside it", c.Key), Try: `obis = "1-0:1.8.1"`}
	}
	c.OBIS, c.kilo = OBIS(code.String()), true
	return c.OBISChannel.Check()
}

func p1Driver(ws *serial.Wires) drivers.Driver {
	return drivers.Driver{
		Name:           "p1",
		Summary:        "P1 customer port of smart meters (DSMR, ESMR, Fluvius and others), with gas, heat and water meters behind it",
		Options:        func() any { return &P1Options{CRC: true, Silence: time.Minute} },
		ChannelOptions: func() any { return new(P1Channel) },
		Simulate:       simulateP1,
		Open: func(_ context.Context, s drivers.DeviceConfig) (any, error) {
			o := s.Options.(*P1Options)
			d, err := newP1Decoder(s.Channels)
			if err != nil {
				return nil, err
			}
			return framing.Open(ws, s, framing.Device{
				Wire: withLine(o.Wire, serial.Line{Baud: 115200, Bits: 8, Parity: 'N', Stop: 1}), Silence: o.Silence, Framer: p1Framer(o.CRC), Decoder: d, Whole: true,
			})
		},
	}
}

// withLine puts the usual line of a protocol, if the file has none.
func withLine(w serial.Wire, usual serial.Line) serial.Wire {
	if w.Line.IsZero() && (w.Serial == nil || w.Serial.Line.IsZero()) {
		w.Line = usual
	}
	return w
}

// p1Framer cuts from / to the line that begins with !. DSMR P1 5.0.2, 6.2: behind the ! the
// CRC-16 of all from / to !, in hexadecimal; some meters leave its leading zeros out. Before
// version 4 there is none: such a port may have crc = false, and takes telegrams without.
func p1Framer(crc bool) framing.Framer {
	sum, _ := field.Named("crc16-arc")
	check := field.Check{Kind: sum, After: "!", Hex: true, Optional: !crc}
	return framing.Framer{Cutter: &framing.TextCutter{Start: []byte("/"), End: []byte("\r\n!"), ToEOL: true, Verify: check.Verify, Max: 8192}}
}

// p1Decoder takes the values out of one telegram.
type p1Decoder struct {
	obis   *obisDecoder
	tariff string // the channel, unless the file makes something else of its code
	behind p1Behind
}

func newP1Decoder(channels []drivers.ChannelConfig) (*p1Decoder, error) {
	d := &p1Decoder{tariff: "tariff", behind: newP1Behind()}
	var own []drivers.ChannelConfig
	for _, c := range channels {
		o, ok := c.Options.(*P1Channel)
		switch {
		case !ok:
			continue
		case o.OBIS == "" && (c.Name == "tariff" || d.behind.refine(c.Name, c.Unit, &o.Value)):
			continue
		case c.Name == "tariff":
			d.tariff = ""
		}
		c.Options = &o.OBISChannel
		d.behind.taken(c.Name, o.OBIS)
		own = append(own, c)
	}
	obis, err := newOBISDecoder(p1Channels, own)
	d.obis = obis
	return d, err
}

// p1Line is one line of a telegram: a code, and what stands in brackets behind it.
type p1Line struct {
	code   obisCode
	groups []string
}

// parseP1 reads the lines of a telegram. In versions 2 and 3 the value of a meter behind
// the meter stands on a line of its own, in brackets without a code.
func parseP1(telegram []byte) (lines []p1Line) {
	for line := range bytes.Lines(telegram) {
		text := strings.TrimSpace(string(line))
		open := strings.IndexByte(text, '(')
		if open < 0 || !strings.HasSuffix(text, ")") {
			continue
		}
		groups := strings.Split(text[open+1:len(text)-1], ")(")
		if open == 0 && len(lines) > 0 {
			lines[len(lines)-1].groups = append(lines[len(lines)-1].groups, groups...)
			continue
		}
		if code, ok := parseOBIS(text[:open]); ok {
			lines = append(lines, p1Line{code, groups})
		}
	}
	return lines
}

// Decode takes one telegram.
func (d *p1Decoder) Decode(telegram []byte, r *framing.Results) {
	lines := parseP1(telegram)
	if len(lines) == 0 {
		r.Reject(errors.New("no lines with codes in the telegram"))
		return
	}
	d.behind.begin(lines)
	for _, line := range lines {
		switch {
		case line.code == p1Tariff && d.tariff != "":
			if n, ok := field.ParseNumber(line.groups[0]); ok {
				r.Put(d.tariff, "", drivers.Number(n), nil)
			}
		case d.behind.decode(line, r):
		default:
			d.line(line, r)
		}
	}
}

// p1Tariff is the code of the tariff that counts now.
var p1Tariff = obisCode{0, 0, 96, 14, 0, present}

// line takes value*unit, or with the time before it. What has more in brackets (the log
// of power failures, the peaks of thirteen months) is a text, to those who ask for it.
func (d *p1Decoder) line(line p1Line, r *framing.Results) {
	groups := line.groups
	if len(groups) == 2 && isP1Time(groups[0]) {
		if err := checkP1Time(groups[0]); err != nil {
			d.obis.fault(line.code, err, r)
			return
		}
		groups = groups[1:]
	}
	if len(groups) > 1 {
		d.obis.text(line.code, "("+strings.Join(groups, ")(")+")", r)
		return
	}
	value, unit, _ := strings.Cut(groups[0], "*")
	if v, ok := field.ParseNumber(value); ok && unit != "" {
		d.obis.number(line.code, v, unit, r)
	} else if value != "" {
		d.obis.text(line.code, value, r)
	}
}

// isP1Time reports whether text has the form YYMMDDhhmmssX. DSMR P1 5.0.2, 6.4: X is S in
// summer and W in winter.
func isP1Time(text string) bool {
	if len(text) == 13 && (text[12] == 'S' || text[12] == 'W') {
		text = text[:12]
	}
	return len(text) == 12 && strings.Trim(text, "0123456789") == ""
}

// checkP1Time refuses times that are none: a meter that was lost is sent with 632525252525S
// (month 25), one that never had a value with 700101010000W, the zero of its clock.
func checkP1Time(text string) error {
	at, err := time.Parse("060102150405", text[:12])
	year, _ := strconv.Atoi(text[:2])
	if err != nil || at.Year() < 2005 || year >= 69 {
		return fmt.Errorf("its time, %s, is no time: the meter has no value", text)
	}
	return nil
}
