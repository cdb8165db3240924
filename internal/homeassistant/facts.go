package homeassistant

import "strings"

// classUnits lists the units that Home Assistant allows with each class of a sensor; "" is
// none. An entity with another unit is not created (components/sensor/const.py,
// DEVICE_CLASS_UNITS; components/mqtt/sensor.py since 2025.7). The micro sign is U+00B5,
// which every version takes.
var classUnits = map[string]string{
	"absolute_humidity":                "g/m³ mg/m³",
	"apparent_power":                   "VA mVA kVA",
	"aqi":                              "-",
	"area":                             "m² cm² km² mm² in² ft² yd² mi² ac ha",
	"atmospheric_pressure":             "Pa hPa kPa mPa mbar cbar bar mmHg inHg psi",
	"battery":                          "%",
	"carbon_dioxide":                   "ppm",
	"carbon_monoxide":                  "ppm mg/m³ µg/m³",
	"conductivity":                     "S/cm mS/cm µS/cm",
	"current":                          "A mA µA",
	"data_rate":                        "bit/s kbit/s Mbit/s Gbit/s B/s kB/s MB/s GB/s KiB/s MiB/s GiB/s",
	"data_size":                        "bit kbit Mbit Gbit B kB MB GB TB PB EB ZB YB KiB MiB GiB TiB PiB EiB ZiB YiB",
	"distance":                         "km m cm mm mi nmi yd in ft",
	"duration":                         "d h min s ms µs",
	"energy":                           "J kJ MJ GJ mWh Wh kWh MWh GWh TWh cal kcal Mcal Gcal",
	"energy_distance":                  "kWh/100km Wh/km mi/kWh km/kWh",
	"energy_storage":                   "J kJ MJ GJ mWh Wh kWh MWh GWh TWh cal kcal Mcal Gcal",
	"frequency":                        "Hz mHz kHz MHz GHz",
	"gas":                              "m³ L ft³ CCF MCF",
	"humidity":                         "%",
	"illuminance":                      "lx",
	"irradiance":                       "W/m² BTU/(h⋅ft²)",
	"moisture":                         "%",
	"nitrogen_dioxide":                 "µg/m³",
	"nitrogen_monoxide":                "µg/m³",
	"nitrous_oxide":                    "µg/m³",
	"ozone":                            "µg/m³",
	"ph":                               "-",
	"pm1":                              "µg/m³",
	"pm10":                             "µg/m³",
	"pm25":                             "µg/m³",
	"pm4":                              "µg/m³",
	"power":                            "mW W kW MW GW TW",
	"power_factor":                     "% -",
	"precipitation":                    "mm cm in",
	"precipitation_intensity":          "mm/d mm/h in/d in/h",
	"pressure":                         "Pa hPa kPa mPa mbar cbar bar mmHg inHg psi",
	"reactive_energy":                  "varh kvarh",
	"reactive_power":                   "mvar var kvar",
	"signal_strength":                  "dB dBm",
	"sound_pressure":                   "dB dBA",
	"speed":                            "m/s km/h mm/s kn mph ft/s in/s mm/d mm/h in/d in/h",
	"sulphur_dioxide":                  "µg/m³",
	"temperature":                      "°C °F K",
	"temperature_delta":                "°C °F K",
	"volatile_organic_compounds":       "µg/m³ mg/m³",
	"volatile_organic_compounds_parts": "ppm ppb",
	"voltage":                          "V mV µV kV MV",
	"volume":                           "L mL m³ ft³ CCF MCF gal",
	"volume_flow_rate":                 "m³/h m³/min m³/s L/h L/min L/s mL/s ft³/min gal/min",
	"volume_storage":                   "L mL m³ ft³ CCF MCF gal",
	"water":                            "L m³ ft³ CCF MCF gal",
	"weight":                           "kg g mg µg lb oz st",
	"wind_direction":                   "°",
	"wind_speed":                       "m/s km/h mm/s kn mph ft/s in/s",
}

// sinceClass is by which version Home Assistant knew the classes that it has learned since
// March 2024: the lists of components/sensor/const.py in releases of then, of May 2025 and of
// 2026 were compared, so that each is known then and may have been before.
var sinceClass = map[string]int{
	"area": 202505, "blood_glucose_concentration": 202505, "conductivity": 202505, "energy_distance": 202505, "wind_direction": 202505,
	"absolute_humidity": 202601, "pm4": 202601, "radon": 202601, "reactive_energy": 202601, "temperature_delta": 202601, "uptime": 202601,
}

// sinceAngle is the same of the state class measurement_angle.
const sinceAngle = 202505

// otherClasses are those of sensors without a fixed list of units.
var otherClasses = []string{"date", "enum", "monetary", "timestamp"}

// classStates lists the state classes that go with a class, where it is not measurement
// alone (developers.home-assistant.io, core/entity/sensor). A wrong one is only logged
// there, and costs the long-term statistics.
var classStates = map[string]string{
	"energy": "total total_increasing", "reactive_energy": "total total_increasing",
	"gas": "total total_increasing", "water": "total total_increasing", "volume": "total total_increasing",
	"monetary":  "total",
	"data_size": "measurement total total_increasing", "distance": "measurement total total_increasing",
	"duration": "measurement total total_increasing", "precipitation": "measurement total total_increasing",
	"weight": "measurement total total_increasing", "area": "measurement total total_increasing",
	"wind_direction": "measurement_angle measurement",
	"date":           "", "enum": "", "timestamp": "",
}

// stateClasses are all that there are.
const stateClasses = "measurement measurement_angle total total_increasing"

// classesOf lists the classes of components that are no sensors.
var classesOf = map[string]string{
	"binary_sensor": "battery battery_charging carbon_monoxide cold connectivity door garage_door gas heat light lock moisture motion moving occupancy opening plug power presence problem running safety smoke sound tamper update vibration window",
	"button":        "identify restart update",
	"event":         "button doorbell motion",
	"switch":        "outlet switch",
	"valve":         "gas water",
	"update":        "firmware",
}

// spellings are units that Home Assistant has another word for.
var spellings = map[string]string{
	"l": "L", "ml": "mL", "l/h": "L/h", "l/min": "L/min", "l/s": "L/s", "lux": "lx", "Watt": "W", "μg/m³": "µg/m³",
}

// allows reports whether one of the words in list is word; "-" in a list is no word at all.
func allows(list, word string) bool {
	if word == "" {
		word = "-"
	}
	for w := range strings.FieldsSeq(list) {
		if w == word {
			return true
		}
	}
	return false
}

// entityKeys are those of each component besides those of every entity
// (components/mqtt/schemas.py). A key that is not declared is dropped there without a word.
var entityKeys = map[string]string{
	"sensor":         "state_topic value_template device_class state_class unit_of_measurement suggested_display_precision options expire_after force_update last_reset_value_template",
	"binary_sensor":  "state_topic value_template device_class payload_on payload_off expire_after off_delay force_update",
	"switch":         "state_topic value_template command_topic command_template device_class payload_on payload_off state_on state_off optimistic retain",
	"valve":          "state_topic value_template command_topic command_template device_class payload_open payload_close payload_stop state_open state_closed state_opening state_closing reports_position optimistic retain",
	"lock":           "state_topic value_template command_topic command_template payload_lock payload_unlock state_locked state_unlocked optimistic retain",
	"number":         "state_topic value_template command_topic command_template device_class unit_of_measurement min max step mode payload_reset optimistic retain",
	"select":         "state_topic value_template command_topic command_template options optimistic retain",
	"button":         "command_topic command_template device_class payload_press retain",
	"event":          "state_topic value_template device_class event_types",
	"update":         "state_topic value_template device_class title latest_version_topic latest_version_template command_topic payload_install release_url release_summary display_precision retain",
	"device_tracker": "state_topic value_template payload_home payload_not_home payload_reset source_type",
}
