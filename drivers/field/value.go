package field

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"sensorgate/drivers"
)

// ErrNone is what decoding returns for a value that means "there is none", such as
// 0x8000 of a probe that is not connected. It is neither a reading nor a fault.
var ErrNone = errors.New("no value")

// Value is what is done with a number after it was found, in the order of the
// fields. Embed it into channel options.
type Value struct {
	Invalid []float64         `toml:"invalid" example:"[0x8000]" doc:"Raw numbers that mean that there is no value."`
	Map     map[string]string `toml:"map" example:"{ 0 = \"off\", 1 = \"on\" }" doc:"Names for raw values: { 0 = \"off\", 1 = \"on\" }; the names true and false make a boolean."`
	Scale   float64           `toml:"scale" example:"0.1" doc:"The raw number is multiplied by this."`
	Offset  float64           `toml:"offset" example:"-0.4" doc:"This is added after scale."`
	Min     *float64          `toml:"min" example:"100" doc:"A smaller value is a fault, not a reading."`
	Max     *float64          `toml:"max" example:"40000" doc:"A greater value is a fault, not a reading."`
}

// Check is called when the file is read.
func (v *Value) Check() error {
	switch {
	case v.Min != nil && v.Max != nil && *v.Min > *v.Max:
		return &drivers.KeyError{Key: "min", Problem: fmt.Sprintf("found %v, above max = %v", *v.Min, *v.Max)}
	case v.Map != nil && (v.Scale != 0 || v.Offset != 0):
		return &drivers.KeyError{Key: "map", Problem: "found map and scale or offset: a name cannot be scaled"}
	}
	return nil
}

// Of makes the reading's value of a raw number.
func (v *Value) Of(raw float64) (drivers.Value, error) {
	if math.IsNaN(raw) || math.IsInf(raw, 0) {
		return drivers.Value{}, ErrNone // how devices say it in floating point
	}
	for _, bad := range v.Invalid {
		if raw == bad {
			return drivers.Value{}, ErrNone
		}
	}
	if v.Map != nil {
		return v.named(strconv.FormatFloat(raw, 'f', -1, 64))
	}
	n := drivers.Scale(raw, v.Scale, v.Offset)
	if v.Min != nil && n < *v.Min || v.Max != nil && n > *v.Max {
		return drivers.Value{}, fmt.Errorf("%v is %w %s", n, drivers.ErrImplausible, v.plausible())
	}
	return drivers.Number(n), nil
}

// OfText makes the value of a number or word that was found in text.
func (v *Value) OfText(text string) (drivers.Value, error) {
	text = strings.TrimSpace(text)
	if v.Map != nil {
		return v.named(text)
	}
	if raw, ok := ParseNumber(text); ok {
		return v.Of(raw)
	}
	if v.Scale != 0 || v.Offset != 0 || v.Min != nil || v.Max != nil {
		return drivers.Value{}, fmt.Errorf("%.40q is not a number", text)
	}
	if text == "" {
		return drivers.Value{}, ErrNone
	}
	return drivers.Text(text), nil
}

// named returns what the map says. An unknown raw value is a fault, not passed on: it is
// not one of the states that whoever reads this has been promised.
func (v *Value) named(raw string) (drivers.Value, error) {
	name, ok := v.Map[raw]
	if !ok {
		return drivers.Value{}, fmt.Errorf("map has no name for %.40q", raw)
	}
	switch name {
	case "true":
		return drivers.Bool(true), nil
	case "false":
		return drivers.Bool(false), nil
	}
	return drivers.Text(name), nil
}

// Raw is the way back, for commands: the raw number that stands for payload.
func (v *Value) Raw(c drivers.Command) (float64, error) {
	if v.Map != nil {
		return v.rawOfName(c)
	}
	n, err := c.Number()
	if err != nil {
		return 0, err
	}
	if v.Min != nil && n < *v.Min || v.Max != nil && n > *v.Max {
		return 0, fmt.Errorf("%w: %v is outside %s", drivers.ErrRefused, n, v.plausible())
	}
	raw := drivers.Scale(n, 1, -v.Offset)
	if v.Scale == 0 {
		return raw, nil
	}
	if inv := math.Round(1 / v.Scale); drivers.Scale(inv, v.Scale, 0) == 1 { // 0.1: × 10
		return drivers.Scale(raw, inv, 0), nil
	}
	return raw / v.Scale, nil
}

func (v *Value) rawOfName(c drivers.Command) (float64, error) {
	want := strings.TrimSpace(string(c.Payload))
	if on, err := c.Bool(); err == nil && !v.hasName(want) {
		want = strconv.FormatBool(on) // "on" for a map to true and false
	}
	for raw, name := range v.Map {
		if name == want {
			if n, ok := ParseNumber(raw); ok {
				return n, nil
			}
		}
	}
	return 0, fmt.Errorf("%w: %.40q is none of the names in map", drivers.ErrRefused, want)
}

// Names are what Map can make of a raw value, sorted; nil without Map. Of two, that of the
// greater raw value is the first: 1 is on.
func (v *Value) Names() []string {
	names := slices.Compact(slices.Sorted(maps.Values(v.Map)))
	if len(v.Map) == 2 && len(names) == 2 {
		raws := slices.SortedFunc(maps.Keys(v.Map), func(a, b string) int {
			x, _ := ParseNumber(a)
			y, _ := ParseNumber(b)
			return cmp.Or(cmp.Compare(y, x), strings.Compare(b, a))
		})
		names = []string{v.Map[raws[0]], v.Map[raws[1]]}
	}
	return names
}

func (v *Value) hasName(name string) bool {
	for _, n := range v.Map {
		if n == name {
			return true
		}
	}
	return false
}

func (v *Value) plausible() string {
	switch {
	case v.Min == nil:
		return fmt.Sprintf("up to %v", *v.Max)
	case v.Max == nil:
		return fmt.Sprintf("from %v", *v.Min)
	}
	return fmt.Sprintf("%v to %v", *v.Min, *v.Max)
}

// ParseNumber reads a decimal number as devices print it: with a sign that may stand
// apart, leading zeros or blanks; a decimal comma is understood; hexadecimal with 0x.
func ParseNumber(s string) (float64, bool) {
	s = strings.TrimSpace(s)
	if hex, ok := strings.CutPrefix(s, "0x"); ok {
		n, err := strconv.ParseUint(hex, 16, 64)
		return float64(n), err == nil
	}
	sign := ""
	if s != "" && (s[0] == '+' || s[0] == '-') {
		sign, s = s[:1], strings.TrimLeft(s[1:], " ")
	}
	if s == "" || s[0] != '.' && s[0] != ',' && (s[0] < '0' || s[0] > '9') {
		return 0, false // not Inf, NaN and the like
	}
	if strings.Count(s, ",") == 1 && !strings.Contains(s, ".") {
		s = strings.Replace(s, ",", ".", 1)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || strings.ContainsAny(s, "_xXpP") {
		return 0, false
	}
	if sign == "-" {
		f = -f
	}
	return f, true
}
