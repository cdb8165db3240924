package gpio

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Quantity is what one pulse stands for: "1 L", "0.01 m³", "1/1000 kWh" (a meter
// that says 1000 imp/kWh), "1".
type Quantity struct {
	text     string
	num, den float64 // apart, because 1/1000 is not exact and a million of them shows it
	unit     string
}

// UnmarshalText reads the configuration's words.
func (q *Quantity) UnmarshalText(b []byte) error {
	text := strings.TrimSpace(string(b))
	number, unit, _ := strings.Cut(text, " ")
	num, den, isFraction := strings.Cut(number, "/")
	n, err := strconv.ParseFloat(num, 64)
	d := 1.0
	if err == nil && isFraction {
		d, err = strconv.ParseFloat(den, 64)
	}
	unit = strings.TrimSpace(unit)
	// A unit with a slash, or one that is a number, could not be distinguished from its rate.
	if strings.ContainsAny(unit, "/ \t\n") || unit != "" && unit[0] >= '0' && unit[0] <= '9' {
		err = strconv.ErrSyntax
	}
	if err != nil || !(n > 0) || !(d > 0) || math.IsInf(n/d, 0) || n/d == 0 {
		return fmt.Errorf("found %q, expected an amount and a unit such as \"1 L\", \"0.01 m³\" or \"1/1000 kWh\"", text)
	}
	*q = Quantity{text: text, num: n, den: d, unit: canonicalUnit(unit)}
	return nil
}

// times is what n pulses stand for.
func (q Quantity) times(n uint64) float64 { return float64(n) * q.num / q.den }

func canonicalUnit(u string) string {
	switch u {
	case "m3":
		return "m³"
	case "l", "liter", "litre":
		return "L"
	}
	return u
}

// measure says how a unit relates to others of its kind, and how its rate is called.
type measure struct {
	unit, kind string
	base       float64 // in the kind's base: m³, J, m
	rate       string  // usual unit of its rate
	channel    string  // name of the rate's channel
}

var measures = []measure{
	{"L", "volume", 1e-3, "L/min", "flow"},
	{"mL", "volume", 1e-6, "L/min", "flow"},
	{"m³", "volume", 1, "m³/h", "flow"},
	{"ft³", "volume", 0.028316846592, "ft³/h", "flow"},
	{"gal", "volume", 0.003785411784, "gal/min", "flow"},
	{"Wh", "energy", 3600, "W", "power"},
	{"kWh", "energy", 3.6e6, "kW", "power"},
	{"J", "energy", 1, "W", "power"},
	{"W", "power", 1, "", ""},
	{"kW", "power", 1e3, "", ""},
	{"mm", "length", 1e-3, "mm/h", "rate"},
	{"m", "length", 1, "m/s", "speed"},
	{"km", "length", 1e3, "km/h", "speed"},
}

func measureOf(unit string) (measure, bool) {
	for _, m := range measures {
		if m.unit == unit {
			return m, true
		}
	}
	return measure{unit: unit, base: 1, rate: perTime(unit, "min"), channel: "rate"}, false
}

func perTime(unit, t string) string {
	if unit == "" {
		unit = "1"
	}
	return unit + "/" + t
}

// rateOf returns the factor from units per second to the wanted unit of the rate:
// L per second to "L/min" is 60. want "" is the usual one.
func rateOf(unit, want string) (factor float64, rateUnit string, err error) {
	from, _ := measureOf(unit)
	if want == "" {
		want = from.rate
	}
	if to, ok := measureOf(want); ok && to.kind == "power" && from.kind == "energy" {
		return from.base / to.base, want, nil
	}
	numerator, t, ok := strings.Cut(want, "/")
	seconds := map[string]float64{"s": 1, "min": 60, "h": 3600, "d": 86400}[t]
	if !ok || seconds == 0 {
		return 0, "", fmt.Errorf("found %q, expected a unit per s, min, h or d such as %q", want, from.rate)
	}
	if numerator = canonicalUnit(numerator); numerator == "1" {
		numerator = ""
	}
	to, known := measureOf(numerator)
	if numerator != unit && (!known || to.kind != from.kind) {
		return 0, "", fmt.Errorf("found %q, which is not a rate of %q (expected such as %q)", want, unit, from.rate)
	}
	return from.base / to.base * seconds, perTime(numerator, t), nil
}

// tidy removes the last digits that only binary fractions have: 1234.5770000000002.
func tidy(f float64) float64 {
	if math.Abs(f) > 1e9 {
		return f
	}
	return math.Round(f*1e6) / 1e6
}

// Frequency is a number of hertz with a unit: "50 Hz", "25kHz".
type Frequency float64

// UnmarshalText reads the configuration's words.
func (f *Frequency) UnmarshalText(b []byte) error {
	s := strings.TrimSpace(string(b))
	number, factor := s, 0.0
	for _, u := range []struct {
		suffix string
		factor float64
	}{{"MHz", 1e6}, {"kHz", 1e3}, {"Hz", 1}} {
		if n, ok := strings.CutSuffix(s, u.suffix); ok {
			number, factor = strings.TrimSpace(n), u.factor
			break
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	if v *= factor; err != nil || !(v >= 0.01) || v > 100e6 {
		return fmt.Errorf("found %q, expected a frequency such as \"25kHz\" or \"50 Hz\"", s)
	}
	*f = Frequency(v)
	return nil
}

// period of the frequency.
func (f Frequency) period() time.Duration {
	return time.Duration(float64(time.Second) / float64(f))
}
