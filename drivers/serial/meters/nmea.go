package meters

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/framing"
)

// NMEAOptions of a GNSS receiver, weather station or boat instrument.
type NMEAOptions struct {
	serial.Wire
	framing.Dialogue
	Only    []string      `toml:"only" example:"[\"GGA\", \"MWV\"]" doc:"The sentence types to look at, such as [\"GGA\", \"MWV\"]; without it, all that are known."`
	Silence time.Duration `toml:"silence" doc:"After this time without a good sentence a fault is reported."`
}

// Check is called when the file is read.
func (o *NMEAOptions) Check() error {
	if len(o.Poll) > 0 {
		return &drivers.KeyError{Key: "poll", Problem: "NMEA devices speak by themselves", Try: "init = [ … ]"}
	}
	for _, typ := range o.Only {
		if len(typ) != 3 || typ != strings.ToUpper(typ) {
			return &drivers.KeyError{Key: "only", Problem: fmt.Sprintf("found %q, expected the three letters after the talker", typ), Try: `only = ["GGA"]`}
		}
	}
	if err := o.Dialogue.Check(); err != nil {
		return err
	}
	return o.Wire.Check()
}

var nmeaChannels = []drivers.Channel{
	{Name: "latitude", Unit: "°", Min: -90, Max: 90},
	{Name: "longitude", Unit: "°", Min: -180, Max: 180},
	{Name: "altitude", Unit: "m", Min: -1000, Max: 100000},
	{Name: "satellites"},
	{Name: "hdop"},
	{Name: "fix", Kind: drivers.State},
	{Name: "speed", Unit: "m/s", Min: 0, Max: 12000},
	{Name: "course", Unit: "°", Min: 0, Max: 360},
	{Name: "utc"},
	{Name: "heading", Unit: "°", Min: 0, Max: 360},
	{Name: "rate_of_turn", Unit: "°/min"},
	{Name: "depth", Unit: "m", Min: 0, Max: 12000},
	{Name: "water_speed", Unit: "m/s"},
	{Name: "water_temperature", Unit: "°C", Min: -5, Max: 60},
	{Name: "wind_angle", Unit: "°", Min: 0, Max: 360}, // to the bow
	{Name: "wind_direction", Unit: "°", Min: 0, Max: 360},
	{Name: "wind_speed", Unit: "m/s", Min: 0, Max: 150},
	{Name: "pressure", Unit: "Pa", Min: 30000, Max: 120000},
	{Name: "temperature", Unit: "°C", Min: -90, Max: 90},
	{Name: "humidity", Unit: "%", Min: 0, Max: 100},
	{Name: "dew_point", Unit: "°C", Min: -100, Max: 60},
}

// optional marks channels of which each device has only some.
func optional(list []drivers.Channel) []drivers.Channel {
	list = slices.Clone(list)
	for i := range list {
		list[i].Optional = true
	}
	return list
}

func nmeaDriver(ws *serial.Wires) drivers.Driver {
	return drivers.Driver{
		Name:     "nmea",
		Summary:  "NMEA 0183: GNSS receivers, weather stations, boat instruments",
		Options:  func() any { return &NMEAOptions{Dialogue: framing.DefaultDialogue()} },
		Channels: optional(nmeaChannels),
		Open: func(_ context.Context, s drivers.DeviceConfig) (any, error) {
			o := s.Options.(*NMEAOptions)
			return framing.Open(ws, s, framing.Device{
				Wire: o.Wire, Dialogue: o.Dialogue, Silence: o.Silence,
				// The standard's limit is 82; some receivers exceed it.
				Framer:  framing.Framer{Cutter: &framing.LineCutter{Max: 250}},
				Decoder: newNMEADecoder(o.Only),
			})
		},
	}
}

// nmeaDecoder takes the values out of sentences.
type nmeaDecoder struct {
	only   []string
	ranges drivers.Ranges
	units  map[string]string // by channel
}

func newNMEADecoder(only []string) *nmeaDecoder {
	d := &nmeaDecoder{only: only, ranges: drivers.RangesOf(drivers.Driver{Channels: nmeaChannels}, drivers.DeviceConfig{}, nil), units: map[string]string{}}
	for _, c := range nmeaChannels {
		d.units[c.Name] = c.Unit
	}
	return d
}

// Decode takes one line.
func (d *nmeaDecoder) Decode(line []byte, r *framing.Results) {
	s, err := parseNMEA(line)
	if err != nil {
		r.Reject(err)
		return
	}
	if len(d.only) > 0 && !slices.Contains(d.only, s.typ) {
		return
	}
	s.nmeaDecoder, s.r = d, r
	if decode, ok := nmeaSentences[s.typ]; ok {
		decode(&s)
	} else if s.typ != "" {
		r.Other("sentence", s.typ, "", drivers.Text(strings.Join(s.fields, ",")))
	}
}

// nmeaSentence is one sentence whose check sum is right.
type nmeaSentence struct {
	typ    string   // the three letters after the talker
	fields []string // what stands after them, between commas
	*nmeaDecoder
	r *framing.Results
}

// parseNMEA reads $TTSSS,field,field*hh. Noise before a sentence is not part of it; a
// text inside may have $ and ! too, so the beginning is where the check sum is right.
func parseNMEA(line []byte) (s nmeaSentence, err error) {
	err = fmt.Errorf("%.60q is no NMEA sentence", line)
	for end := len(line); ; {
		start := bytes.LastIndexAny(line[:end], "$!")
		if start < 0 {
			return s, err
		}
		end = start
		body, sum, found := bytes.Cut(line[start+1:], []byte("*"))
		if !found {
			err = fmt.Errorf("%.60q has no check sum", line[start:])
			continue
		}
		x := byte(xor8.Of(body))
		if want, e := strconv.ParseUint(string(bytes.TrimRight(sum, " ")), 16, 8); e != nil || byte(want) != x {
			err = fmt.Errorf("check sum of %.60q is %02X", line[start:], x)
			continue
		}
		return splitNMEA(string(body)), nil
	}
}

// splitNMEA takes the type off. Proprietary sentences ($PUBX, $PGRME) and queries have
// none that is known, and neither has an address that is too short.
func splitNMEA(body string) (s nmeaSentence) {
	fields := strings.Split(body, ",")
	if address := fields[0]; len(address) == 5 && address[0] != 'P' {
		s.typ = address[2:]
	}
	s.fields = fields[1:]
	return s
}

// field returns a field, or "" if the sentence has fewer.
func (s *nmeaSentence) field(at int) string {
	if at >= len(s.fields) {
		return ""
	}
	return strings.TrimSpace(s.fields[at])
}

// number puts the number of a field times factor. An empty field is no reading, and what
// is no number is the fault of this channel alone.
func (s *nmeaSentence) number(at int, channel string, factor float64) {
	text := s.field(at)
	if text == "" {
		return
	}
	v, ok := field.ParseNumber(text)
	if !ok {
		s.fault(channel, fmt.Errorf("field %d of %s is %.20q, not a number", at+1, s.typ, text))
		return
	}
	s.put(channel, drivers.Scale(v, factor, 0))
}

// inUnit is number for a field whose unit stands in a field behind it; factors are by
// that unit. A unit that is not known is a fault: the number would be something else.
func (s *nmeaSentence) inUnit(at, unitAt int, channel string, factors map[string]float64) {
	if s.field(at) == "" {
		return
	}
	factor, ok := factors[s.field(unitAt)]
	if !ok {
		s.fault(channel, fmt.Errorf("unit %.20q of %s is not known", s.field(unitAt), s.typ))
		return
	}
	s.number(at, channel, factor)
}

func (s *nmeaSentence) put(channel string, v float64) {
	// A knot's factor leaves digits that nobody measured.
	r := drivers.Reading{Channel: channel, Value: drivers.Number(trim(v))}
	if err := s.ranges.Check(r); err != nil {
		s.fault(channel, err)
		return
	}
	s.r.Put(channel, s.units[channel], r.Value, nil)
}

func (s *nmeaSentence) fault(channel string, err error) {
	s.r.Put(channel, "", drivers.Value{}, err)
}

// position reads four fields: ddmm.mmmm, N or S, dddmm.mmmm, E or W. Both or none: half
// a position is none.
func (s *nmeaSentence) position(at int) {
	lat, errLat := nmeaAngle(s.field(at), s.field(at+1), "N", "S", 90)
	lon, errLon := nmeaAngle(s.field(at+2), s.field(at+3), "E", "W", 180)
	switch {
	case errLat != nil:
		s.fault("latitude", errLat)
	case errLon != nil:
		s.fault("longitude", errLon)
	case s.field(at) != "" && s.field(at+2) != "":
		s.put("latitude", lat)
		s.put("longitude", lon)
	}
}

// nmeaAngle reads degrees and minutes, 4807.038, on the side of plus or minus.
func nmeaAngle(text, side, plus, minus string, most float64) (float64, error) {
	if text == "" {
		return 0, nil
	}
	v, ok := field.ParseNumber(text)
	degrees := math.Trunc(v / 100)
	minutes := v - 100*degrees
	if !ok || v < 0 || minutes >= 60 || side != plus && side != minus {
		return 0, fmt.Errorf("%.20q %.2q is not degrees and minutes with %s or %s", text, side, plus, minus)
	}
	if degrees += minutes / 60; degrees > most {
		return 0, fmt.Errorf("%v is more than %v°", degrees, most)
	}
	if side == minus {
		return -degrees, nil
	}
	return degrees, nil
}

// nmeaClock reads hhmmss.sss. 60 is a leap second.
func nmeaClock(text string) (d time.Duration, ok bool) {
	if len(text) < 6 {
		return 0, false
	}
	v, ok := field.ParseNumber(text[4:])
	h, err1 := strconv.ParseUint(text[:2], 10, 8)
	m, err2 := strconv.ParseUint(text[2:4], 10, 8)
	if !ok || err1 != nil || err2 != nil || h > 23 || m > 59 || v < 0 || v >= 61 {
		return 0, false
	}
	ms := time.Duration(math.Round(v*1000)) * time.Millisecond
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + ms, true
}

// utc puts date and time, if both are there and exist in the calendar.
func (s *nmeaSentence) utc(year, month, day int, clock string) {
	at, ok := nmeaClock(clock)
	date := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if ok && date.Day() == day && date.Month() == time.Month(month) {
		s.r.Put("utc", "", drivers.Text(date.Add(at).Format(time.RFC3339Nano)), nil)
	}
}
