package meters

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	nmea "github.com/adrianmo/go-nmea"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/framing"
)

const metresPerSecond = 1852.0 / 3600 // of a knot

// NMEAOptions of a GNSS receiver, weather station or boat instrument.
type NMEAOptions struct {
	serial.Wire
	framing.Dialogue
	Only    []string      `toml:"only" doc:"The sentence types to look at, such as [\"GGA\", \"MWV\"]; without it, all that are known."`
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

func nmeaDriver(ws *serial.Wires) drivers.Driver {
	return drivers.Driver{
		Name:     "nmea",
		Summary:  "NMEA 0183: GNSS receivers, weather stations, boat instruments",
		Options:  func() any { return &NMEAOptions{Dialogue: framing.DefaultDialogue()} },
		Channels: nmeaChannels,
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

type nmeaDecoder struct {
	parser nmea.SentenceParser
	only   []string
	ranges map[string]drivers.Channel
	h      *framing.Results
	fields []string
}

func newNMEADecoder(only []string) *nmeaDecoder {
	d := &nmeaDecoder{only: only, ranges: map[string]drivers.Channel{}}
	for _, c := range nmeaChannels {
		d.ranges[c.Name] = c
	}
	return d
}

func (d *nmeaDecoder) Decode(line []byte, h *framing.Results) {
	// Noise before a sentence is not part of it.
	if i := bytes.LastIndexAny(line, "$!"); i >= 0 {
		line = line[i:]
	}
	s, err := d.parser.Parse(string(line))
	var unknown *nmea.NotSupportedError
	if errors.As(err, &unknown) {
		return // proprietary, or a query
	}
	if err != nil {
		h.Reject(fmt.Errorf("%.60q: %w", line, err))
		return
	}
	if len(d.only) > 0 && !slices.Contains(d.only, s.DataType()) {
		return
	}
	d.h = h
	d.sentence(s)
}

// sentence picks the values. The library returns 0 for an empty field, so each value
// names the field it came from: an empty one is no reading.
func (d *nmeaDecoder) sentence(s nmea.Sentence) {
	switch s := s.(type) {
	case nmea.GGA:
		d.fields = s.Fields
		if fix, ok := field.ParseNumber(s.FixQuality); ok {
			d.number(5, "fix", fix)
		}
		d.number(6, "satellites", float64(s.NumSatellites))
		if s.FixQuality == nmea.Invalid || s.FixQuality == "" {
			return // positions without a fix are old or zero
		}
		d.number(7, "hdop", s.HDOP)
		d.position(1, s.Latitude, s.Longitude)
		d.number(8, "altitude", s.Altitude)
	case nmea.GNS:
		d.fields = s.Fields
		d.number(6, "satellites", float64(s.SVs))
		if strings.Trim(strings.Join(s.Mode, ""), "N") == "" {
			return // no system has a fix
		}
		d.number(7, "hdop", s.HDOP)
		d.position(1, s.Latitude, s.Longitude)
		d.number(8, "altitude", s.Altitude)
	case nmea.RMC:
		d.fields = s.Fields
		if s.Validity != nmea.ValidRMC {
			return
		}
		d.position(2, s.Latitude, s.Longitude)
		d.number(6, "speed", s.Speed*metresPerSecond)
		d.number(7, "course", s.Course)
		if s.Date.Valid && s.Time.Valid {
			d.utc(nmea.DateTime(time.Now().Year(), s.Date, s.Time))
		}
	case nmea.GLL:
		d.fields = s.Fields
		if s.Validity == nmea.ValidGLL {
			d.position(0, s.Latitude, s.Longitude)
		}
	case nmea.VTG:
		d.fields = s.Fields
		d.number(0, "course", s.TrueTrack)
		d.number(4, "speed", s.GroundSpeedKnots*metresPerSecond)
	case nmea.ZDA:
		if s.Time.Valid && s.Year > 0 && s.Month > 0 && s.Day > 0 {
			d.utc(time.Date(int(s.Year), time.Month(s.Month), int(s.Day), s.Time.Hour, s.Time.Minute, s.Time.Second,
				s.Time.Millisecond*int(time.Millisecond), time.UTC))
		}
	default:
		d.instrument(s)
	}
}

// instrument picks the values of sentences that do not come from a GNSS receiver.
func (d *nmeaDecoder) instrument(s nmea.Sentence) {
	switch s := s.(type) {
	case nmea.HDT:
		d.fields = s.Fields
		d.number(0, "heading", s.Heading)
	case nmea.ROT:
		d.fields = s.Fields
		if s.Valid {
			d.number(0, "rate_of_turn", s.RateOfTurn)
		}
	case nmea.DBT:
		d.fields = s.Fields
		d.number(2, "depth", s.DepthMeters)
	case nmea.DPT:
		d.fields = s.Fields
		d.number(0, "depth", s.Depth)
	case nmea.VHW:
		d.fields = s.Fields
		d.number(4, "water_speed", s.SpeedThroughWaterKnots*metresPerSecond)
	case nmea.MTW:
		d.fields = s.Fields
		if s.CelsiusValid {
			d.number(0, "water_temperature", s.Temperature)
		}
	case nmea.MTA:
		d.fields = s.Fields
		d.number(0, "temperature", s.Temperature)
	case nmea.MWV:
		d.fields = s.Fields
		if s.StatusValid {
			d.number(0, "wind_angle", s.WindAngle)
			d.number(2, "wind_speed", s.WindSpeed*windUnits[s.WindSpeedUnit])
		}
	case nmea.MWD:
		d.fields = s.Fields
		d.number(0, "wind_direction", s.WindDirectionTrue)
		d.number(4, "wind_speed", s.WindSpeedKnots*metresPerSecond)
	case nmea.MDA:
		d.fields = s.Fields
		d.number(2, "pressure", s.PressureBar*1e5)
		d.number(4, "temperature", s.AirTemp)
		d.number(6, "water_temperature", s.WaterTemp)
		d.number(8, "humidity", s.RelativeHum)
		d.number(10, "dew_point", s.DewPoint)
		d.number(12, "wind_direction", s.WindDirectionTrue)
		d.number(18, "wind_speed", s.WindSpeedMeters)
	case nmea.XDR:
		d.transducers(s)
	}
}

// windUnits are the factors to m/s.
var windUnits = map[string]float64{
	nmea.UnitKMHMWV: 1 / 3.6, nmea.UnitMSMWV: 1, nmea.UnitKnotsMWV: metresPerSecond, nmea.UnitSMilesHMWV: 0.44704,
}

// transducers returns a channel xdr_NAME for each measurement of an XDR sentence.
func (d *nmeaDecoder) transducers(s nmea.XDR) {
	units := map[string]string{"C": "°C", "B": "bar", "P": "Pa", "D": "°", "V": "V", "A": "A", "M": "m"}
	for i, m := range s.Measurements {
		if 4*i+1 >= len(s.Fields) || s.Fields[4*i+1] == "" || m.TransducerName == "" {
			continue
		}
		name := "xdr_" + strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return '_' // a topic level must not get a wildcard or a slash from outside
		}, strings.ToLower(m.TransducerName))
		unit := units[m.Unit]
		if m.Unit == "P" && m.TransducerType != nmea.TransducerPressureXDR {
			unit = "%"
		}
		d.h.Put(name, unit, drivers.Number(m.Value), nil)
	}
}

// number adds a value unless its field is empty.
func (d *nmeaDecoder) number(at int, channel string, v float64) {
	if at >= len(d.fields) || d.fields[at] == "" {
		return
	}
	c := d.ranges[channel]
	if (c.Min != 0 || c.Max != 0) && (v < c.Min || v > c.Max) {
		d.h.Put(channel, c.Unit, drivers.Value{}, fmt.Errorf("%v is outside the plausible range %v to %v", v, c.Min, c.Max))
		return
	}
	// A knot's factor leaves digits that nobody measured.
	d.h.Put(channel, c.Unit, drivers.Number(trim(v)), nil)
}

func (d *nmeaDecoder) position(at int, lat, lon float64) {
	d.number(at, "latitude", lat)
	d.number(at+2, "longitude", lon)
}

func (d *nmeaDecoder) utc(t time.Time) {
	d.h.Put("utc", "", drivers.Text(t.UTC().Format(time.RFC3339Nano)), nil)
}
