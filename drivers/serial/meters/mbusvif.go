package meters

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"sensorgate/drivers"
)

// mbusUnit is a quantity and how its raw number becomes ours: raw × factor × 10^exponent.
type mbusUnit struct {
	name, unit string
	factor     float64
	exponent   int
	kind       mbusKind
}

// mbusKind is what the data of a record are.
type mbusKind uint8

const (
	mbusQuantity mbusKind = iota // a number that was measured, published under its own name
	mbusFigure                   // a number about the meter, to those who ask for it
	mbusDate                     // EN 13757-3 annex A, types G, F, I
	mbusText                     // letters, or digits that are a name
)

// of makes the value of a raw number.
func (q mbusUnit) of(raw float64) float64 {
	factor := q.factor
	if q.exponent < 0 && factor == 1 {
		return drivers.Scale(raw, 1/math.Pow10(-q.exponent), 0)
	}
	return drivers.Scale(raw, factor*math.Pow10(q.exponent), 0)
}

// mbusRange is a row of a VIF table: codes from first to last, of which the lowest bits
// are an exponent that begins at low.
type mbusRange struct {
	first, last byte
	unit        mbusUnit
}

// in finds the row of a code.
func in(table []mbusRange, code byte) (mbusUnit, bool) {
	for _, row := range table {
		if code >= row.first && code <= row.last {
			u := row.unit
			u.exponent += int(code - row.first)
			return u, true
		}
	}
	return mbusUnit{}, false
}

// timeUnits are seconds, minutes, hours, days, as hours; and hours, days, months, years as days.
var (
	timeUnits = [4]float64{1.0 / 3600, 1.0 / 60, 1, 24}
	longTimes = [4]float64{1.0 / 24, 1, 30.4375, 365.25}
)

// mbusPrimary is EN 13757-3, table 10 (primary VIFs). The exponent grows with the code.
var mbusPrimary = []mbusRange{
	{0x00, 0x07, mbusUnit{"energy", "kWh", 1, -6, mbusQuantity}},          // 10^(n-3) Wh
	{0x08, 0x0F, mbusUnit{"energy", "kWh", 1 / 3.6, -6, mbusQuantity}},    // 10^n J
	{0x10, 0x17, mbusUnit{"volume", "m³", 1, -6, mbusQuantity}},           // 10^(n-6) m³
	{0x18, 0x1F, mbusUnit{"mass", "kg", 1, -3, mbusQuantity}},             // 10^(n-3) kg
	{0x28, 0x2F, mbusUnit{"power", "W", 1, -3, mbusQuantity}},             // 10^(n-3) W
	{0x30, 0x37, mbusUnit{"power", "W", 1.0 / 3600, 0, mbusQuantity}},     // 10^n J/h
	{0x38, 0x3F, mbusUnit{"flow", "m³/h", 1, -6, mbusQuantity}},           // 10^(n-6) m³/h
	{0x40, 0x47, mbusUnit{"flow", "m³/h", 60, -7, mbusQuantity}},          // 10^(n-7) m³/min
	{0x48, 0x4F, mbusUnit{"flow", "m³/h", 3600, -9, mbusQuantity}},        // 10^(n-9) m³/s
	{0x50, 0x57, mbusUnit{"mass_flow", "kg/h", 1, -3, mbusQuantity}},      // 10^(n-3) kg/h
	{0x58, 0x5B, mbusUnit{"flow_temperature", "°C", 1, -3, mbusQuantity}}, // 10^(n-3) °C
	{0x5C, 0x5F, mbusUnit{"return_temperature", "°C", 1, -3, mbusQuantity}},
	{0x60, 0x63, mbusUnit{"temperature_difference", "K", 1, -3, mbusQuantity}},
	{0x64, 0x67, mbusUnit{"external_temperature", "°C", 1, -3, mbusQuantity}},
	{0x68, 0x6B, mbusUnit{"pressure", "bar", 1, -3, mbusQuantity}},
	{0x6C, 0x6C, mbusUnit{"date", "", 1, 0, mbusDate}},
	{0x6D, 0x6D, mbusUnit{"datetime", "", 1, 0, mbusDate}},
	{0x6E, 0x6E, mbusUnit{"heat_cost_units", "", 1, 0, mbusQuantity}},
	{0x78, 0x78, mbusUnit{"fabrication_number", "", 1, 0, mbusText}},
	{0x79, 0x79, mbusUnit{"identification", "", 1, 0, mbusText}},
	{0x7A, 0x7A, mbusUnit{"bus_address", "", 1, 0, mbusFigure}},
}

// mbusFB is EN 13757-3, table 12: what stands in the VIFE behind VIF FB.
var mbusFB = []mbusRange{
	{0x00, 0x01, mbusUnit{"energy", "kWh", 1, 2, mbusQuantity}}, // 10^(n-1) MWh
	{0x02, 0x03, mbusUnit{"reactive_energy", "kvarh", 1, 0, mbusQuantity}},
	{0x04, 0x05, mbusUnit{"apparent_energy", "kVAh", 1, 0, mbusQuantity}},
	{0x08, 0x09, mbusUnit{"energy", "kWh", 1 / 3.6, 2, mbusQuantity}},       // 10^(n-1) GJ
	{0x0C, 0x0F, mbusUnit{"energy", "kWh", 4.1868 / 3.6, -1, mbusQuantity}}, // 10^(n-1) Mcal
	{0x10, 0x11, mbusUnit{"volume", "m³", 1, 2, mbusQuantity}},              // 10^(n+2) m³
	{0x14, 0x17, mbusUnit{"reactive_power", "var", 1, 0, mbusQuantity}},     // 10^(n-3) kvar
	{0x18, 0x19, mbusUnit{"mass", "kg", 1, 5, mbusQuantity}},                // 10^(n+2) t
	{0x1A, 0x1B, mbusUnit{"humidity", "%", 1, -1, mbusQuantity}},
	{0x20, 0x20, mbusUnit{"volume", "m³", 0.028316846592, 0, mbusQuantity}},  // cubic feet
	{0x21, 0x21, mbusUnit{"volume", "m³", 0.028316846592, -1, mbusQuantity}}, // tenths of them
	{0x22, 0x23, mbusUnit{"volume", "m³", 0.003785411784, -1, mbusQuantity}}, // gallons
	{0x24, 0x24, mbusUnit{"flow", "m³/h", 0.22712470704, -3, mbusQuantity}},  // 0.001 gallon/min
	{0x25, 0x25, mbusUnit{"flow", "m³/h", 0.22712470704, 0, mbusQuantity}},   // gallon/min
	{0x26, 0x26, mbusUnit{"flow", "m³/h", 0.003785411784, 0, mbusQuantity}},  // gallon/h
	{0x28, 0x29, mbusUnit{"power", "W", 1, 5, mbusQuantity}},                 // 10^(n-1) MW
	{0x2A, 0x2A, mbusUnit{"phase_voltage_voltage", "°", 1, -1, mbusQuantity}},
	{0x2B, 0x2B, mbusUnit{"phase_voltage_current", "°", 1, -1, mbusQuantity}},
	{0x2C, 0x2F, mbusUnit{"frequency", "Hz", 1, -3, mbusQuantity}},
	{0x30, 0x31, mbusUnit{"power", "W", 1 / 3.6, 5, mbusQuantity}},     // 10^(n-1) GJ/h
	{0x34, 0x37, mbusUnit{"apparent_power", "VA", 1, 0, mbusQuantity}}, // 10^(n-3) kVA
	{0x74, 0x77, mbusUnit{"temperature_limit", "°C", 1, -3, mbusFigure}},
	{0x78, 0x7F, mbusUnit{"power_maximum_counter", "W", 1, -3, mbusFigure}},
}

// mbusFD is EN 13757-3, table 14: what stands in the VIFE behind VIF FD.
var mbusFD = []mbusRange{
	{0x00, 0x03, mbusUnit{"credit", "", 1, -3, mbusFigure}},
	{0x04, 0x07, mbusUnit{"debit", "", 1, -3, mbusFigure}},
	{0x08, 0x08, mbusUnit{"access_number", "", 1, 0, mbusFigure}},
	{0x09, 0x09, mbusUnit{"device_type", "", 1, 0, mbusFigure}},
	{0x0A, 0x0A, mbusUnit{"manufacturer_code", "", 1, 0, mbusFigure}},
	{0x0B, 0x0B, mbusUnit{"parameter_set", "", 1, 0, mbusText}},
	{0x0C, 0x0C, mbusUnit{"model_version", "", 1, 0, mbusText}},
	{0x0D, 0x0D, mbusUnit{"hardware_version", "", 1, 0, mbusText}},
	{0x0E, 0x0E, mbusUnit{"firmware_version", "", 1, 0, mbusText}},
	{0x0F, 0x0F, mbusUnit{"software_version", "", 1, 0, mbusText}},
	{0x10, 0x10, mbusUnit{"location", "", 1, 0, mbusText}},
	{0x11, 0x11, mbusUnit{"customer", "", 1, 0, mbusText}},
	{0x17, 0x17, mbusUnit{"error_flags", "", 1, 0, mbusFigure}},
	{0x18, 0x18, mbusUnit{"error_mask", "", 1, 0, mbusFigure}},
	{0x1A, 0x1A, mbusUnit{"digital_output", "", 1, 0, mbusFigure}},
	{0x1B, 0x1B, mbusUnit{"digital_input", "", 1, 0, mbusFigure}},
	{0x1C, 0x1C, mbusUnit{"baud_rate", "Bd", 1, 0, mbusFigure}},
	{0x20, 0x20, mbusUnit{"first_storage", "", 1, 0, mbusFigure}},
	{0x21, 0x21, mbusUnit{"last_storage", "", 1, 0, mbusFigure}},
	{0x22, 0x22, mbusUnit{"storage_size", "", 1, 0, mbusFigure}},
	{0x28, 0x28, mbusUnit{"storage_interval", "d", 30.4375, 0, mbusFigure}},
	{0x29, 0x29, mbusUnit{"storage_interval", "d", 365.25, 0, mbusFigure}},
	{0x30, 0x30, mbusUnit{"tariff_start", "", 1, 0, mbusDate}},
	{0x3A, 0x3A, mbusUnit{"count", "", 1, 0, mbusFigure}}, // without a dimension
	{0x40, 0x4F, mbusUnit{"voltage", "V", 1, -9, mbusQuantity}},
	{0x50, 0x5F, mbusUnit{"current", "A", 1, -12, mbusQuantity}},
	{0x60, 0x60, mbusUnit{"reset_counter", "", 1, 0, mbusFigure}},
	{0x61, 0x61, mbusUnit{"cumulation_counter", "", 1, 0, mbusFigure}},
	{0x62, 0x62, mbusUnit{"control_signal", "", 1, 0, mbusFigure}},
	{0x63, 0x63, mbusUnit{"weekday", "", 1, 0, mbusFigure}},
	{0x64, 0x64, mbusUnit{"week", "", 1, 0, mbusFigure}},
	{0x70, 0x70, mbusUnit{"battery_change", "", 1, 0, mbusDate}},
	{0x71, 0x71, mbusUnit{"radio_level", "dBm", 1, 0, mbusFigure}},
	{0x74, 0x74, mbusUnit{"battery_life", "d", 1, 0, mbusFigure}},
	{0x75, 0x75, mbusUnit{"stops", "", 1, 0, mbusFigure}},
}

// mbusTimes are the VIFs of durations, in four codes each: EN 13757-3, tables 10 and 14.
func mbusTimes(table, code byte) (mbusUnit, bool) {
	names := map[[2]byte]string{
		{0, 0x20}: "on_time", {0, 0x24}: "operating_time", {0, 0x70}: "averaging_time", {0, 0x74}: "actuality_time",
		{0xFD, 0x24}: "storage_interval", {0xFD, 0x2C}: "time_since_readout", {0xFD, 0x34}: "tariff_period",
	}
	name, ok := names[[2]byte{table, code &^ 3}]
	if !ok {
		name, ok = map[[2]byte]string{{0xFD, 0x68}: "time_since_cumulation", {0xFD, 0x6C}: "battery_time"}[[2]byte{table, code &^ 3}]
		return mbusUnit{name, "d", longTimes[code&3], 0, mbusFigure}, ok
	}
	kind := mbusFigure
	if table == 0 && code < 0x28 {
		kind = mbusQuantity
	}
	return mbusUnit{name, "h", timeUnits[code&3], 0, kind}, true
}

// fahrenheit are the temperatures of table 12, 10^(n-3) °F.
var fahrenheit = map[byte]string{0x58: "flow_temperature", 0x5C: "return_temperature", 0x60: "temperature_difference", 0x64: "external_temperature"}

// quantity reads the VIF, and for FB and FD the VIFE that has the table's code. What is
// left of the VIFEs changes the meaning. false: no table has it.
func (info *mbusInfo) quantity() (u mbusUnit, vifes []byte, ok bool) {
	vifes = info.vifes
	table, code := byte(0), info.vif&0x7F
	if (info.vif == 0xFB || info.vif == 0xFD) && len(vifes) > 0 {
		table, code, vifes = info.vif, vifes[0]&0x7F, vifes[1:]
	}
	if u, ok = mbusTimes(table, code); ok {
		return u, vifes, true
	}
	switch {
	case table == 0xFB && fahrenheit[code&^3] != "":
		return mbusUnit{fahrenheit[code&^3], "°F", 1, int(code&3) - 3, mbusFigure}, vifes, true
	case table == 0xFB && (code == 0x20 || code == 0x21): // one place of the point each
		u, ok = in(mbusFB, code)
	case table == 0xFB:
		u, ok = in(mbusFB, code)
	case table == 0xFD:
		u, ok = in(mbusFD, code)
	case code == 0x7C:
		return textUnit(info.text), vifes, true
	case info.vif == 0xFB || info.vif == 0xFD || code >= 0x7E:
		return u, vifes, false
	default:
		u, ok = in(mbusPrimary, code)
	}
	return u, vifes, ok
}

// textUnit is a unit that the meter has written out. EN 13757-3, 8.4.5.
func textUnit(text string) mbusUnit {
	switch strings.TrimSpace(text) {
	case "%RH", "% RH", "%rH", "%r.H.":
		return mbusUnit{"humidity", "%", 1, 0, mbusQuantity}
	}
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_' // a topic level must not get a wildcard or a slash from outside
	}, strings.TrimSpace(text))
	return mbusUnit{"in_" + strings.Trim(name, "_"), strings.ToValidUTF8(strings.TrimSpace(text), "?"), 1, 0, mbusFigure}
}

// mbusPhases are the second VIFE behind FC. EN 13757-3, table 16.
var mbusPhases = map[byte]string{
	0x01: "_l1", 0x02: "_l2", 0x03: "_l3", 0x04: "_n", 0x05: "_l1_l2", 0x06: "_l2_l3", 0x07: "_l3_l1",
	0x08: "_q1", 0x09: "_q2", 0x0A: "_q3", 0x0B: "_q4", 0x0C: "_balance", 0x10: "_absolute",
}

// mbusQualifiers are VIFEs that make another value of the quantity. EN 13757-3, table 15.
var mbusQualifiers = map[byte]string{
	0x20: "_per_second", 0x21: "_per_minute", 0x22: "_per_hour", 0x23: "_per_day", 0x24: "_per_week", 0x25: "_per_month", 0x26: "_per_year", 0x27: "_per_revolution",
	0x28: "_per_pulse_in_0", 0x29: "_per_pulse_in_1", 0x2A: "_per_pulse_out_0", 0x2B: "_per_pulse_out_1", 0x2C: "_per_l", 0x2D: "_per_m3", 0x2E: "_per_kg", 0x2F: "_per_k",
	0x30: "_per_kwh", 0x31: "_per_gj", 0x32: "_per_kw", 0x33: "_per_kl", 0x34: "_per_v", 0x35: "_per_a", 0x36: "_seconds", 0x37: "_seconds_per_v", 0x38: "_seconds_per_a",
	0x39: "_start", 0x3A: "_uncorrected", 0x3B: "_forward", 0x3C: "_backward", 0x3E: "_at_base", 0x3F: "_obis",
	0x40: "_lower_limit", 0x48: "_upper_limit", 0x41: "_times_below", 0x49: "_times_above", 0x68: "_while_below", 0x6C: "_while_above", 0x69: "_leakage", 0x6D: "_overflow", 0x7E: "_future",
}

// plainPhases are the phases of which the value is published under its own name; those
// of quadrants and balances only to those who ask for them.
var plainPhases = []string{"_l1", "_l2", "_l3", "_l1_l2", "_l2_l3", "_l3_l1"}

// qualify applies the VIFEs behind the quantity. plain is whether it is still a present
// value of it; a number that the meter marks as wrong is an error; false: not understood.
func (q *mbusUnit) qualify(vifes []byte) (suffix string, plain bool, fault error, ok bool) {
	plain = true
	for i := 0; i < len(vifes); i++ {
		switch code := vifes[i] & 0x7F; {
		case code == 0x7C && i+1 < len(vifes):
			i++
			phase := mbusPhases[vifes[i]&0x7F]
			if phase == "" {
				return "", false, nil, false
			}
			suffix += phase
			plain = plain && slices.Contains(plainPhases, phase)
		case code >= 0x70 && code <= 0x77: // × 10^(n-6)
			q.exponent += int(code) - 0x76
		case code == 0x7D: // × 1000
			q.exponent += 3
		case code == 0:
		case code < 0x20: // table 17: why there is no value
			fault = fmt.Errorf("the meter marks it with error %02X", code)
		case mbusQualifiers[code] != "":
			suffix += mbusQualifiers[code]
			plain = false
		case code >= 0x42 && code <= 0x67, code >= 0x6A && code <= 0x6F: // when, how long and how often a limit was passed
			suffix += fmt.Sprintf("_limit_%02x", code)
			plain = false
		default:
			return "", false, nil, false
		}
	}
	return suffix, plain, fault, true
}
