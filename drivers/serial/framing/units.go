package framing

import (
	"fmt"

	"sensorgate/drivers"
)

// unit is what a name of a unit stands for: a quantity, and the factor to its base unit.
// The factors are of whole powers of ten wherever the unit is decimal, so that a
// conversion keeps the digits that the meter printed.
type unit struct {
	quantity string
	factor   float64
}

// units are the names that meters print and that users write.
var units = map[string]unit{
	"Wh": {"energy", 1}, "kWh": {"energy", 1e3}, "MWh": {"energy", 1e6}, "GWh": {"energy", 1e9},
	"J": {"energy", 1.0 / 3600}, "kJ": {"energy", 1e3 / 3600.0}, "MJ": {"energy", 1e6 / 3600.0}, "GJ": {"energy", 1e9 / 3600.0},
	"W": {"power", 1}, "kW": {"power", 1e3}, "MW": {"power", 1e6}, "mW": {"power", 1e-3},
	"var": {"reactive power", 1}, "kvar": {"reactive power", 1e3}, "Mvar": {"reactive power", 1e6},
	"varh": {"reactive energy", 1}, "kvarh": {"reactive energy", 1e3}, "Mvarh": {"reactive energy", 1e6},
	"VA": {"apparent power", 1}, "kVA": {"apparent power", 1e3}, "MVA": {"apparent power", 1e6},
	"VAh": {"apparent energy", 1}, "kVAh": {"apparent energy", 1e3},
	"V": {"voltage", 1}, "mV": {"voltage", 1e-3}, "kV": {"voltage", 1e3},
	"A": {"current", 1}, "mA": {"current", 1e-3}, "kA": {"current", 1e3},
	"Hz": {"frequency", 1}, "kHz": {"frequency", 1e3}, "mHz": {"frequency", 1e-3},
	"m³": {"volume", 1e3}, "l": {"volume", 1}, "ml": {"volume", 1e-3},
	"m³/h": {"flow", 1e3}, "l/h": {"flow", 1}, "l/min": {"flow", 60}, "m³/s": {"flow", 3.6e6},
	"Pa": {"pressure", 1}, "hPa": {"pressure", 1e2}, "mbar": {"pressure", 1e2}, "kPa": {"pressure", 1e3}, "bar": {"pressure", 1e5},
	"g": {"mass", 1}, "kg": {"mass", 1e3}, "t": {"mass", 1e6}, "mg": {"mass", 1e-3}, "lb": {"mass", 453.59237}, "oz": {"mass", 28.349523125}, "ct": {"mass", 0.2},
	"m": {"length", 1}, "cm": {"length", 1e-2}, "mm": {"length", 1e-3}, "ft": {"length", 0.3048}, "in": {"length", 0.0254},
	"°C": {"temperature", 1}, "K": {"temperature difference", 1},
	"°": {"angle", 1}, "%": {"share", 1},
	"s": {"time", 1}, "min": {"time", 60}, "h": {"time", 3600}, "d": {"time", 86400},
}

// otherUnits are other ways to write them.
var otherUnits = map[string]string{
	"m3": "m³", "m^3": "m³", "M3": "m³", "m3/h": "m³/h", "dm3": "l", "dm³": "l", "L": "l", "l3": "l",
	"KG": "kg", "Kg": "kg", "G": "g", "LB": "lb", "lbs": "lb", "OZ": "oz", "T": "t",
	"C": "°C", "Cel": "°C", "degC": "°C", "deg": "°",
	"wh": "Wh", "WH": "Wh", "kwh": "kWh", "KWh": "kWh", "KWH": "kWh", "kWH": "kWh", "mwh": "MWh", "w": "W", "kw": "kW", "KW": "kW",
	"VAr": "var", "Var": "var", "kVAr": "kvar", "kVar": "kvar", "KVAR": "kvar", "VArh": "varh", "Varh": "varh", "kVArh": "kvarh", "kVarh": "kvarh", "KVARH": "kvarh",
	"kVAR": "kvar", "kVARh": "kvarh", "VAR": "var", "VARh": "varh", "va": "VA", "KVA": "kVA", "kva": "kVA", "v": "V", "a": "A", "HZ": "Hz", "hz": "Hz",
}

// UnitNamed returns how a unit is usually written; ok is whether it is known.
func UnitNamed(name string) (usual string, ok bool) {
	_, usual, ok = lookUnit(name)
	return usual, ok
}

// lookUnit finds the unit of a name, and how it is usually written.
func lookUnit(name string) (u unit, usual string, ok bool) {
	if other, found := otherUnits[name]; found {
		name = other
	}
	u, ok = units[name]
	return u, name, ok
}

// Convert returns v in another unit. A unit that is not known, and one of another
// quantity, is an error: kilowatt hours are not cubic metres.
func Convert(v float64, from, to string) (float64, error) {
	if from == to {
		return v, nil
	}
	f, _, ok := lookUnit(from)
	if !ok {
		return 0, fmt.Errorf("its unit %.20q is not known, %s was expected", from, to)
	}
	t, _, ok := lookUnit(to)
	if !ok || f.quantity != t.quantity {
		return 0, fmt.Errorf("its unit is %s, which cannot be converted to %s", from, to)
	}
	if f.factor >= t.factor {
		return drivers.Scale(v, f.factor/t.factor, 0), nil
	}
	// A factor below 1 is the inverse of a whole one: 0.001 is not exact.
	return drivers.Scale(v, 1/(t.factor/f.factor), 0), nil
}
