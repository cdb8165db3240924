package gpio

import (
	"math"
	"strings"
	"testing"
)

func TestQuantities(t *testing.T) {
	for _, c := range []struct {
		text string
		n    uint64
		want float64
		unit string
	}{
		{"1 L", 3, 3, "L"}, {"0.01 m3", 100, 1, "m³"}, {"1/1000 kWh", 1_000_000, 1000, "kWh"},
		{"0.2794 mm", 10, 2.794, "mm"}, {"1", 5, 5, ""}, {"1/75 m³", 75, 1, "m³"},
	} {
		var q Quantity
		if err := q.UnmarshalText([]byte(c.text)); err != nil || tidy(q.times(c.n)) != c.want || q.unit != c.unit {
			t.Errorf("%q: %v; %d pulses are %v %s, want %v %s", c.text, err, c.n, q.times(c.n), q.unit, c.want, c.unit)
		}
	}
	for _, text := range []string{"", "L", "0 L", "-1 L", "1/0 L", "1/ L", "NaN", "Inf L", "1/Inf", "1e308/1e-308", "1L"} {
		if err := new(Quantity).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestRates(t *testing.T) {
	for _, c := range []struct {
		unit, want string
		factor     float64
		rate       string
	}{
		{"L", "", 60, "L/min"}, {"L", "m³/h", 3.6, "m³/h"}, {"m3", "", 3600, "m³/h"}, {"kWh", "", 3600, "kW"},
		{"kWh", "W", 3.6e6, "W"}, {"Wh", "kWh/d", 86.4, "kWh/d"}, {"mm", "", 3600, "mm/h"}, {"", "", 60, "1/min"}, {"turns", "turns/s", 1, "turns/s"},
	} {
		f, r, err := rateOf(canonicalUnit(c.unit), c.want)
		if err != nil || math.Abs(f-c.factor) > 1e-9*c.factor || r != c.rate {
			t.Errorf("%s to %q: %v %q %v, want %v %q", c.unit, c.want, f, r, err, c.factor, c.rate)
		}
	}
	for _, c := range []struct{ unit, want string }{{"L", "kW"}, {"L", "L"}, {"L", "L/fortnight"}, {"kWh", "L/min"}, {"", "L/min"}} {
		if _, _, err := rateOf(c.unit, c.want); err == nil {
			t.Errorf("%s to %s was taken", c.unit, c.want)
		}
	}
}

func FuzzOptionWords(f *testing.F) {
	for _, s := range []string{"1 L", "1/1000 kWh", "GPIO17", "gpiochip0:17", "P1_11", "17", "25kHz", "pwmchip0:1", ":", "a:", "0x1p-2 m³"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var q Quantity
		if q.UnmarshalText([]byte(s)) == nil {
			if v := q.times(1); !(v > 0) || math.IsInf(v, 0) {
				t.Errorf("%q is %v a pulse", s, v)
			}
			if _, _, err := rateOf(q.unit, ""); err != nil {
				t.Errorf("%q has no rate: %v", s, err)
			}
		}
		var fr Frequency
		if fr.UnmarshalText([]byte(s)) == nil && fr.period() <= 0 {
			t.Errorf("%q has period %v", s, fr.period())
		}
		var r Ref
		if r.UnmarshalText([]byte(s)) == nil && strings.TrimSpace(string(r)) == "" {
			t.Errorf("%q is an empty line name", s)
		}
		var p PWMRef
		if p.UnmarshalText([]byte(s)) == nil && strings.ContainsAny(p.String(), "/.") {
			t.Errorf("%q leads to the path %v", s, p)
		}
		for _, b := range []string{"Raspberry Pi 5", ""} {
			_, _, _ = headerPin(b, s)
		}
	})
}
