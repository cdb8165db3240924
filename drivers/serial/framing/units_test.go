package framing

import "testing"

func TestUnitsAreConvertedWithTheirDigits(t *testing.T) {
	for _, c := range []struct {
		v        float64
		from, to string
		want     float64
	}{
		{2.027, "kW", "W", 2027}, {5017120, "Wh", "kWh", 5017.12}, {286, "W", "W", 286}, {0.48, "A", "A", 0.48},
		{1.234, "MWh", "kWh", 1234}, {240.86, "GJ", "GJ", 240.86}, {3.6, "GJ", "kWh", 1000}, {1, "kWh", "MJ", 3.6}, {0.107, "m3", "m³", 0.107},
		{107, "dm3", "m³", 0.107}, {1.5, "kvarh", "varh", 1500}, {12565, "l", "m3", 12.565}, {230.1, "V", "mV", 230100}, {7, "KWH", "Wh", 7000}, {500, "g", "kg", 0.5}, {-2.5, "lb", "kg", -1.133980925},
	} {
		if got, err := Convert(c.v, c.from, c.to); err != nil || got != c.want {
			t.Errorf("%v %s in %s: got %v, %v, want %v", c.v, c.from, c.to, got, err, c.want)
		}
	}
	for _, c := range [][2]string{{"GJ", "m³"}, {"m3", "kWh"}, {"parsec", "W"}, {"W", "parsec"}, {"", "W"}, {"var", "W"}, {"K", "°C"}} {
		if got, err := Convert(1, c[0], c[1]); err == nil {
			t.Errorf("%s in %s: got %v and no error", c[0], c[1], got)
		}
	}
}
