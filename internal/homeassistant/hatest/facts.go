package hatest

// What every entity may have, in either form.
const common = "availability availability_mode availability_template availability_topic default_entity_id device enabled_by_default encoding entity_category entity_picture icon json_attributes_template json_attributes_topic message_expiry_interval name origin payload_available payload_not_available platform qos unique_id visible_by_default"

// What each platform may have besides, and what it cannot be without.
var platforms = map[string]struct{ keys, required string }{
	"sensor":         {"device_class expire_after force_update last_reset_value_template options state_class state_topic suggested_display_precision unit_of_measurement value_template", "state_topic"},
	"binary_sensor":  {"device_class expire_after force_update off_delay payload_off payload_on state_topic value_template", "state_topic"},
	"switch":         {"command_template command_topic device_class optimistic payload_off payload_on retain state_off state_on state_topic value_template", "command_topic"},
	"valve":          {"command_template command_topic device_class optimistic payload_close payload_open payload_stop position_closed position_open reports_position retain state_closed state_closing state_open state_opening state_topic value_template", ""},
	"lock":           {"code_format command_template command_topic optimistic payload_lock payload_open payload_reset payload_unlock retain state_jammed state_locked state_locking state_topic state_unlocked state_unlocking value_template", "command_topic"},
	"number":         {"command_template command_topic device_class max min mode optimistic payload_reset retain state_topic step unit_of_measurement value_template", "command_topic"},
	"select":         {"command_template command_topic optimistic options retain state_topic value_template", "command_topic options"},
	"button":         {"command_template command_topic device_class payload_press retain", "command_topic"},
	"event":          {"device_class event_types state_topic value_template", "state_topic event_types"},
	"update":         {"command_topic device_class display_precision latest_version_template latest_version_topic payload_install release_summary release_url retain state_topic title value_template", ""},
	"device_tracker": {"payload_home payload_not_home payload_reset source_type state_topic value_template", ""},
}

const (
	rootKeys   = "availability availability_mode availability_template availability_topic command_topic components device encoding message_expiry_interval origin payload_available payload_not_available qos state_topic"
	deviceKeys = "configuration_url connections hw_version identifiers manufacturer model model_id name serial_number suggested_area sw_version via_device"
	originKeys = "name support_url sw_version"
)

// classes of components that are no sensors.
var classes = map[string]string{
	"binary_sensor": "battery battery_charging carbon_monoxide cold connectivity door garage_door gas heat light lock moisture motion moving occupancy opening plug power presence problem running safety smoke sound tamper update vibration window",
	"button":        "identify restart update",
	"event":         "button doorbell motion",
	"switch":        "outlet switch",
	"valve":         "gas water",
	"update":        "firmware",
}

// units of each numeric class of a sensor, with the Greek mu that it converts to.
var units = map[string][]string{
	"absolute_humidity": {"g/m³", "mg/m³"}, "apparent_power": {"kVA", "mVA", "VA"}, "aqi": {""},
	"area":                 {"ac", "cm²", "ft²", "ha", "in²", "km²", "mi²", "mm²", "m²", "yd²"},
	"atmospheric_pressure": {"bar", "cbar", "hPa", "inHg", "inH₂O", "kPa", "mbar", "mmHg", "mPa", "Pa", "psi"},
	"battery":              {"%"}, "blood_glucose_concentration": {"mg/dL", "mmol/L"}, "carbon_dioxide": {"ppm"},
	"carbon_monoxide": {"mg/m³", "ppb", "ppm", "μg/m³"}, "conductivity": {"mS/cm", "S/cm", "μS/cm"}, "current": {"A", "mA", "μA"},
	"data_rate": {"B/s", "bit/s", "GB/s", "Gbit/s", "GiB/s", "kB/s", "kbit/s", "KiB/s", "MB/s", "Mbit/s", "MiB/s"},
	"data_size": {"B", "bit", "EB", "EiB", "GB", "Gbit", "GiB", "kB", "kbit", "KiB", "MB", "Mbit", "MiB", "PB", "PiB", "TB", "TiB", "YB", "YiB", "ZB", "ZiB"},
	"distance":  {"cm", "ft", "in", "km", "m", "mi", "mm", "nmi", "yd"}, "duration": {"d", "h", "min", "ms", "s", "μs"},
	"energy":          {"cal", "Gcal", "GJ", "GWh", "J", "kcal", "kJ", "kWh", "Mcal", "MJ", "MWh", "mWh", "TWh", "Wh"},
	"energy_distance": {"km/kWh", "kWh/100km", "mi/kWh", "Wh/km"},
	"energy_storage":  {"cal", "Gcal", "GJ", "GWh", "J", "kcal", "kJ", "kWh", "Mcal", "MJ", "MWh", "mWh", "TWh", "Wh"},
	"frequency":       {"GHz", "Hz", "kHz", "MHz", "mHz"}, "gas": {"CCF", "ft³", "L", "MCF", "m³"}, "humidity": {"%"}, "illuminance": {"lx"},
	"irradiance": {"BTU/(h⋅ft²)", "W/m²"}, "moisture": {"%"}, "nitrogen_dioxide": {"ppb", "ppm", "μg/m³"}, "nitrogen_monoxide": {"ppb", "μg/m³"},
	"nitrous_oxide": {"μg/m³"}, "ozone": {"ppb", "ppm", "μg/m³"}, "ph": {""}, "pm1": {"μg/m³"}, "pm10": {"μg/m³"}, "pm25": {"μg/m³"}, "pm4": {"μg/m³"},
	"power": {"GW", "kW", "MW", "mW", "TW", "W"}, "power_factor": {"%", ""}, "precipitation": {"cm", "in", "mm"},
	"precipitation_intensity": {"in/d", "in/h", "mm/d", "mm/h"},
	"pressure":                {"bar", "cbar", "hPa", "inHg", "inH₂O", "kPa", "mbar", "mmHg", "mPa", "Pa", "psi"}, "radon": {"Bq/m³", "pCi/L"},
	"reactive_energy": {"kvarh", "varh"}, "reactive_power": {"kvar", "mvar", "var"}, "signal_strength": {"dB", "dBm"}, "sound_pressure": {"dB", "dBA"},
	"speed":           {"Beaufort", "ft/s", "in/d", "in/h", "in/s", "km/h", "kn", "m/min", "m/s", "mm/d", "mm/h", "mm/s", "mph"},
	"sulphur_dioxide": {"ppb", "μg/m³"}, "temperature": {"K", "°C", "°F"}, "temperature_delta": {"K", "°C", "°F"},
	"volatile_organic_compounds": {"mg/m³", "μg/m³"}, "volatile_organic_compounds_parts": {"ppb", "ppm"}, "voltage": {"kV", "MV", "mV", "V", "μV"},
	"volume":           {"CCF", "fl. oz.", "ft³", "gal", "L", "MCF", "mL", "m³"},
	"volume_flow_rate": {"ft³/min", "gal/d", "gal/h", "gal/min", "L/h", "L/min", "L/s", "mL/s", "m³/h", "m³/min", "m³/s"},
	"volume_storage":   {"CCF", "fl. oz.", "ft³", "gal", "L", "MCF", "mL", "m³"}, "water": {"CCF", "ft³", "gal", "L", "MCF", "m³"},
	"weight": {"g", "kg", "lb", "mg", "oz", "st", "μg"}, "wind_direction": {"°"},
	"wind_speed": {"Beaufort", "ft/s", "in/s", "km/h", "kn", "m/min", "m/s", "mm/s", "mph"},
}

// stateClasses of the classes for which developers.home-assistant.io names others than
// measurement.
var stateClasses = map[string]string{
	"energy": "total total_increasing", "reactive_energy": "total total_increasing", "gas": "total total_increasing", "water": "total total_increasing",
	"volume": "total total_increasing", "wind_direction": "measurement_angle", "monetary": "total",
	"distance": "measurement total total_increasing", "duration": "measurement total total_increasing", "precipitation": "measurement total total_increasing",
	"weight": "measurement total total_increasing", "area": "measurement total total_increasing", "data_size": "measurement total total_increasing",
}

// classesOf2024 are those of sensors in a release of March 2024, before there were
// messages of devices (components/sensor/const.py): it refuses an entity of another class.
const classesOf2024 = "date enum timestamp apparent_power aqi atmospheric_pressure battery carbon_monoxide carbon_dioxide current data_rate data_size distance duration energy energy_storage frequency gas humidity illuminance irradiance moisture monetary nitrogen_dioxide nitrogen_monoxide nitrous_oxide ozone ph pm1 pm10 pm25 power_factor power precipitation precipitation_intensity pressure reactive_power signal_strength sound_pressure speed sulphur_dioxide temperature volatile_organic_compounds volatile_organic_compounds_parts voltage volume volume_storage volume_flow_rate water weight wind_speed"
