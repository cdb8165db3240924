package homeassistant

import (
	"math"
	"slices"
	"strings"

	"sensorgate/internal/config"
	"sensorgate/internal/describe"
)

// measured is what Home Assistant is to know of a number.
type measured struct{ unit, class, state string }

// words are the parts of a name: "pv_energy.l1" is pv, energy, l1.
type words []string

func wordsOf(names ...string) (w words) {
	for _, n := range names {
		w = append(w, strings.FieldsFunc(strings.ToLower(n), func(r rune) bool {
			return r != 'µ' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
		})...)
	}
	return w
}

func (w words) any(list string) bool {
	for want := range strings.FieldsSeq(list) {
		if slices.Contains(w, want) {
			return true
		}
	}
	return false
}

// measure finds unit, class and state class of a channel with numbers: what the file says
// counts, else its unit and its name decide.
func measure(d *describe.Device, c *describe.Channel) measured {
	m := measured{unit: c.Unit, state: "measurement"}
	if right := spellings[m.unit]; right != "" {
		m.unit = right
	}
	total := c.Kind == "total"
	if total {
		m.state = "total_increasing"
	}
	w := wordsOf(c.Class, c.Name)
	m.class = classByUnit(m.unit, w, total, d, c)
	if units := classUnits[c.Class]; units != "" && allows(units, m.unit) {
		m.class = c.Class
	}
	switch {
	case m.class == "wind_direction":
		m.state = "measurement_angle"
	case m.class == "energy" && !total: // of this day: it begins anew
		m.state = "total_increasing"
	case total && w.any("net balance saldo"):
		m.state = "total"
	}
	if states, known := classStates[m.class]; known && !allows(states, m.state) {
		m.state, _, _ = strings.Cut(states, " ")
	} else if !known && m.class != "" && m.state != "measurement" {
		m.state = "measurement"
	}
	if c.Type == "" && m.unit == "" && m.class == "" {
		m.state = "" // it may be a text
	}
	if c.Kind == "state" || c.Kind == "event" {
		m.state = ""
	}
	return m
}

// unitClass are the units of which one class follows, whatever is measured.
var unitClass = map[string]string{
	"V": "voltage", "mV": "voltage", "µV": "voltage", "kV": "voltage", "MV": "voltage",
	"A": "current", "mA": "current", "µA": "current",
	"mW": "power", "W": "power", "kW": "power", "MW": "power", "GW": "power",
	"VA": "apparent_power", "mVA": "apparent_power", "kVA": "apparent_power",
	"var": "reactive_power", "mvar": "reactive_power", "kvar": "reactive_power",
	"varh": "reactive_energy", "kvarh": "reactive_energy",
	"Hz": "frequency", "mHz": "frequency", "kHz": "frequency", "MHz": "frequency", "GHz": "frequency",
	"lx": "illuminance", "W/m²": "irradiance",
	"µS/cm": "conductivity", "mS/cm": "conductivity", "S/cm": "conductivity",
	"g/m³": "absolute_humidity",
	"dBA":  "sound_pressure", "dBm": "signal_strength",
	"kg": "weight", "g": "weight", "mg": "weight", "µg": "weight", "lb": "weight", "oz": "weight", "st": "weight",
	"d": "duration", "h": "duration", "min": "duration", "s": "duration", "ms": "duration", "µs": "duration",
	"m³/h": "volume_flow_rate", "m³/min": "volume_flow_rate", "m³/s": "volume_flow_rate", "L/h": "volume_flow_rate",
	"L/min": "volume_flow_rate", "L/s": "volume_flow_rate", "mL/s": "volume_flow_rate",
	"bit/s": "data_rate", "kbit/s": "data_rate", "Mbit/s": "data_rate", "B/s": "data_rate", "kB/s": "data_rate", "MB/s": "data_rate",
	"B": "data_size", "kB": "data_size", "MB": "data_size", "GB": "data_size", "KiB": "data_size", "MiB": "data_size", "GiB": "data_size",
	"m²": "area", "ha": "area", "kWh/100km": "energy_distance", "Wh/km": "energy_distance",
}

// classByUnit is the class that follows from unit and name; "" is none.
func classByUnit(unit string, w words, total bool, d *describe.Device, c *describe.Channel) string {
	if class := unitClass[unit]; class != "" {
		return class
	}
	is := func(class string) bool { return allows(classUnits[class], unit) }
	switch {
	case is("temperature"):
		if w.any("delta difference spread") {
			return "temperature_delta"
		}
		return "temperature"
	case unit == "%":
		return first(w, "humidity humid rh:humidity", "moisture:moisture", "battery soc:battery", "factor:power_factor", stateOfCharge(w))
	case is("pressure"):
		if w.any("barometric atmospheric barometer qnh") || isAir(c) {
			return "atmospheric_pressure"
		}
		return "pressure"
	case is("energy"):
		if total || w.any("today yesterday daily day month year week") {
			return "energy"
		}
		return "energy_storage"
	case is("volume"):
		return volumeClass(unit, wordsOf(c.Class, c.Name, d.Class, d.Name), total)
	case unit == "ppm", unit == "ppb", unit == "µg/m³", unit == "mg/m³":
		return airClass(unit, w)
	case unit == "":
		return first(w, "ph:ph", "aqi iaq:aqi", "factor pf:power_factor")
	case unit == "mm/h", unit == "mm/d", unit == "in/h":
		return first(w, "rain precipitation rainfall:precipitation_intensity")
	case is("distance"):
		if w.any("rain precipitation rainfall") && is("precipitation") {
			return "precipitation"
		}
		return "distance"
	case is("speed"):
		return first(w, "wind gust:wind_speed", ":speed")
	case unit == "°" && w.any("wind") && w.any("direction"):
		return "wind_direction"
	case unit == "dB":
		return first(w, "sound noise:sound_pressure", "signal strength rssi snr:signal_strength")
	}
	return ""
}

// first returns the class of the first entry "words:class" of which a word is in w; an
// entry without words always fits.
func first(w words, entries ...string) string {
	for _, e := range entries {
		list, class, _ := strings.Cut(e, ":")
		if list == "" || w.any(list) {
			return class
		}
	}
	return ""
}

func stateOfCharge(w words) string {
	if w.any("state") && w.any("charge") {
		return ":battery"
	}
	return ":"
}

// isAir: what cannot leave the range of the weather is the pressure of the air.
func isAir(c *describe.Channel) bool {
	r := c.Range
	if r == nil {
		return false
	}
	factor := map[string]float64{"Pa": 1, "hPa": 100, "mbar": 100, "kPa": 1000}[c.Unit]
	return r[0]*factor >= 20000 && r[1]*factor <= 130000
}

func volumeClass(unit string, w words, total bool) string {
	switch {
	case !total:
		return "volume_storage"
	case w.any("gas") && allows(classUnits["gas"], unit):
		return "gas"
	case w.any("water") && allows(classUnits["water"], unit):
		return "water"
	}
	return "volume"
}

// airClass is what a part of the air is called.
func airClass(unit string, w words) string {
	class := first(w, "co2 eco2:carbon_dioxide", "co:carbon_monoxide", "pm1:pm1", "pm4:pm4", "pm10:pm10", "pm25:pm25",
		"no2:nitrogen_dioxide", "no:nitrogen_monoxide", "n2o:nitrous_oxide", "o3 ozone:ozone", "so2:sulphur_dioxide",
		"tvoc voc:volatile_organic_compounds")
	switch i := slices.Index(w, "pm2"); {
	case i >= 0 && i+1 < len(w) && w[i+1] == "5":
		class = "pm25"
	case class == "volatile_organic_compounds" && strings.HasPrefix(unit, "pp"):
		class = "volatile_organic_compounds_parts"
	}
	if i := slices.Index(w, "pm1"); i >= 0 && i+1 < len(w) && w[i+1] == "0" {
		class = "pm1"
	}
	if !allows(classUnits[class], unit) {
		return ""
	}
	return class
}

// known leaves out what Home Assistant of that month does not know yet: it refuses an
// entity that has it. asked: the file names the class itself.
func known(q measured, month int, asked bool) measured {
	if q.state == "measurement_angle" && month < sinceAngle {
		q.state = ""
	}
	if month < sinceClass[q.class] && !asked {
		q.class = ""
	}
	return q
}

// oldest is the month of the oldest Home Assistant that is to understand the messages.
func (m *maker) oldest() int {
	switch month := config.Month(m.opt.Oldest); {
	case month > 0:
		return month
	case m.opt.Form == FormSingle:
		return config.FirstWithDevices - 1
	}
	return math.MaxInt
}
