package adapter

import (
	"fmt"
	"strconv"
	"strings"
)

// Quantities that options are written in, with their unit: "4.096V", "2 mΩ".

// Volt is a voltage.
type Volt float64

// UnmarshalText reads "4.096V" or "256 mV".
func (v *Volt) UnmarshalText(text []byte) error {
	f, err := quantity(string(text), "4.096V", "V")
	*v = Volt(f)
	return err
}

// Ohm is a resistance.
type Ohm float64

// UnmarshalText reads "0.1Ω", "2 mohm" or "10R".
func (o *Ohm) UnmarshalText(text []byte) error {
	f, err := quantity(string(text), "0.1 ohm", "Ω", "Ω", "ohm", "Ohm", "R")
	if err == nil && f <= 0 {
		return fmt.Errorf("found %q, expected more than nothing", text)
	}
	*o = Ohm(f)
	return err
}

var prefixes = []struct {
	sign   string
	factor float64
}{{"µ", 1e-6}, {"u", 1e-6}, {"m", 1e-3}, {"k", 1e3}, {"", 1}}

// quantity reads a number with one of the units, which may have a prefix.
func quantity(s, example string, units ...string) (float64, error) {
	for _, unit := range units {
		rest, ok := strings.CutSuffix(strings.TrimSpace(s), unit)
		if !ok {
			continue
		}
		for _, p := range prefixes {
			num, ok := strings.CutSuffix(rest, p.sign)
			if !ok {
				continue
			}
			if f, err := strconv.ParseFloat(strings.TrimSpace(num), 64); err == nil {
				return f * p.factor, nil
			}
		}
	}
	return 0, fmt.Errorf("found %q, expected a number with its unit (try %q)", s, example)
}
