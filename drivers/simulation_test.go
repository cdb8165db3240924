package drivers

import (
	"testing"
	"time"
)

// A simulated meter of water, heat or reactive energy ran backwards half of the time.
func TestTotalsOfASimulationNeverFall(t *testing.T) {
	for _, c := range []Channel{
		{Unit: "kWh"}, {Unit: "Wh"}, {Unit: "MWh"}, {Unit: "m³"}, {Unit: "kvarh"}, {Unit: "kVAh"}, {Unit: "varh"}, {Unit: "GJ"}, {Unit: "MJ"},
		{Unit: "h", Kind: Total}, {Kind: Total},
	} {
		last := 0.0
		for minute := range 60 * 24 {
			v := Likely(c, 3, nil, nil, time.Duration(minute)*time.Minute)
			if v < last {
				t.Errorf("%q, kind %v: falls from %v to %v after %d minutes", c.Unit, c.Kind, last, v, minute)
				break
			}
			last = v
		}
		if first := Likely(c, 3, nil, nil, 0); last <= first {
			t.Errorf("%q, kind %v: does not grow in a day", c.Unit, c.Kind)
		}
	}
	if a, b := Likely(Channel{Unit: "W"}, 0, nil, nil, 0), Likely(Channel{Unit: "W"}, 0, nil, nil, 2*time.Minute); b >= a {
		t.Errorf("a power of %v W is %v after two minutes, want it up and down", a, b)
	}
}
