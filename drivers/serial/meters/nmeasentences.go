package meters

import (
	"strconv"
	"strings"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
)

// nmeaSentences are the sentences that are decoded, by type. Fields are counted from 0
// after the address, as in the tables of NMEA 0183 and of the receivers' manuals. Each
// value stands for itself: a field that is empty, missing or wrong costs only its channel.
var nmeaSentences = map[string]func(*nmeaSentence){
	"GGA": nmeaGGA, "GNS": nmeaGNS, "RMC": nmeaRMC, "GLL": nmeaGLL, "VTG": nmeaVTG, "ZDA": nmeaZDA,
	"HDT": func(s *nmeaSentence) { s.number(0, "heading", 1) },
	"ROT": func(s *nmeaSentence) {
		if s.field(1) == "A" {
			s.number(0, "rate_of_turn", 1)
		}
	},
	"DBT": nmeaDBT,
	"DPT": func(s *nmeaSentence) { s.number(0, "depth", 1) },
	"VHW": func(s *nmeaSentence) { s.speed("water_speed", 4, 6) },
	"MTW": func(s *nmeaSentence) { s.temperature(0, "water_temperature") },
	"MTA": func(s *nmeaSentence) { s.temperature(0, "temperature") },
	"MWV": func(s *nmeaSentence) {
		if s.field(4) == "A" {
			s.number(0, "wind_angle", 1)
			s.inUnit(2, 3, "wind_speed", nmeaSpeeds)
		}
	},
	"MWD": func(s *nmeaSentence) {
		s.number(0, "wind_direction", 1)
		s.speed("wind_speed", 4, 6)
	},
	"MDA": nmeaMDA, "XDR": nmeaXDR,
}

const (
	knot = 1852.0 / 3600 // m/s
	foot = 0.3048        // m
)

// nmeaSpeeds are the factors to m/s: kilometres an hour, metres a second, knots, miles an hour.
var nmeaSpeeds = map[string]float64{"K": 1 / 3.6, "M": 1, "N": knot, "S": 0.44704}

// speed takes a speed that is sent twice, each with its unit behind it: the first, or if
// that is empty the second.
func (s *nmeaSentence) speed(channel string, at ...int) {
	for _, at := range at {
		if s.field(at) != "" {
			s.inUnit(at, at+1, channel, nmeaSpeeds)
			return
		}
	}
}

// temperature takes degrees Celsius, or Fahrenheit where that stands behind.
func (s *nmeaSentence) temperature(at int, channel string) {
	v, ok := field.ParseNumber(s.field(at))
	if ok && s.field(at+1) == "F" {
		s.put(channel, (v-32)/1.8)
		return
	}
	s.inUnit(at, at+1, channel, map[string]float64{"C": 1})
}

// nmeaGGA is a fix: time, position, quality, satellites, HDOP, altitude. Positions without
// a fix (quality 0 or none) are old or zero. 7 and 8, set by hand and simulated, are
// positions of the receiver's making: channel fix says so.
func nmeaGGA(s *nmeaSentence) {
	s.number(5, "fix", 1)
	s.number(6, "satellites", 1)
	if quality := s.field(5); quality == "" || quality == "0" {
		return
	}
	s.number(7, "hdop", 1)
	s.position(1)
	s.altitude(8, 9)
}

// altitude is in metres; old receivers leave the unit out.
func (s *nmeaSentence) altitude(at, unitAt int) {
	s.inUnit(at, unitAt, "altitude", map[string]float64{"M": 1, "": 1, "F": foot})
}

// nmeaGNS is a fix of several systems: the mode has a letter for each, N for none.
func nmeaGNS(s *nmeaSentence) {
	s.number(6, "satellites", 1)
	if strings.Trim(s.field(5), "N") == "" {
		return
	}
	s.number(7, "hdop", 1)
	s.position(1)
	s.number(8, "altitude", 1)
}

// nmeaRMC is the recommended minimum: time, status, position, speed, course, date.
func nmeaRMC(s *nmeaSentence) {
	if s.field(1) != "A" {
		return
	}
	s.position(2)
	s.number(6, "speed", knot)
	s.number(7, "course", 1)
	date := s.field(8)
	if n, err := strconv.ParseUint(date, 10, 32); err == nil && len(date) == 6 {
		year := 2000 + int(n%100)
		if n%100 >= 80 { // GPS began in 1980
			year -= 100
		}
		s.utc(year, int(n/100%100), int(n/10000), s.field(0))
	}
}

func nmeaGLL(s *nmeaSentence) {
	// Before version 2.0 there was no status, and no time.
	if status := s.field(5); status == "A" || status == "" && len(s.fields) <= 4 {
		s.position(0)
	}
}

// nmeaVTG is course and speed. Before version 2.0 the letters between them were not there.
func nmeaVTG(s *nmeaSentence) {
	if s.field(8) == "N" { // mode: not valid
		return
	}
	s.number(0, "course", 1)
	if len(s.fields) <= 4 {
		s.number(2, "speed", knot)
		return
	}
	s.speed("speed", 4, 6)
}

func nmeaZDA(s *nmeaSentence) {
	day, err1 := strconv.Atoi(s.field(1))
	month, err2 := strconv.Atoi(s.field(2))
	year, err3 := strconv.Atoi(s.field(3))
	if err1 == nil && err2 == nil && err3 == nil && year >= 1980 && year < 2200 {
		s.utc(year, month, day, s.field(0))
	}
}

// nmeaDBT is the depth below the transducer in feet, metres and fathoms.
func nmeaDBT(s *nmeaSentence) {
	for _, at := range []int{2, 0, 4} {
		if s.field(at) != "" {
			s.inUnit(at, at+1, "depth", map[string]float64{"M": 1, "f": foot, "F": 6 * foot})
			return
		}
	}
}

// nmeaMDA is the weather: pressure, temperatures, humidity, dew point, wind.
func nmeaMDA(s *nmeaSentence) {
	pressures := map[string]float64{"B": 1e5, "I": 3386.389} // bar, inches of mercury
	if s.field(2) != "" {
		s.inUnit(2, 3, "pressure", pressures)
	} else {
		s.inUnit(0, 1, "pressure", pressures)
	}
	s.temperature(4, "temperature")
	s.temperature(6, "water_temperature")
	s.number(8, "humidity", 1)
	s.temperature(10, "dew_point")
	s.number(12, "wind_direction", 1)
	s.speed("wind_speed", 18, 16)
}

// nmeaUnits are units of transducers by type and letter.
var nmeaUnits = map[string]string{
	"CC": "°C", "CF": "°F", "CK": "K", "AD": "°", "DM": "m", "DF": "ft", "PB": "bar", "PP": "Pa", "HP": "%", "FH": "Hz", "NN": "N",
	"TR": "1/min", "VM": "m³", "VL": "l", "VP": "%", "UV": "V", "IA": "A", "RL": "l/s", "LS": "‰",
}

// nmeaXDR has groups of four: type, value, unit, name. Each is a channel xdr_NAME.
func nmeaXDR(s *nmeaSentence) {
	for at := 0; at+3 < len(s.fields); at += 4 {
		kind, text, letter, name := s.field(at), s.field(at+1), s.field(at+2), s.field(at+3)
		v, ok := field.ParseNumber(text)
		if text == "" || name == "" {
			continue
		}
		channel := "xdr_" + strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return '_' // a topic level must not get a wildcard or a slash from outside
		}, strings.ToLower(name))
		if !ok {
			s.fault(channel, strconv.ErrSyntax)
			continue
		}
		unit, known := nmeaUnits[kind+letter]
		if !known {
			unit = nmeaLetters[letter]
		}
		s.r.Put(channel, unit, drivers.Number(v), nil)
	}
}

// nmeaLetters are units of transducers of other types.
var nmeaLetters = map[string]string{"C": "°C", "B": "bar", "P": "%", "D": "°", "V": "V", "A": "A", "M": "m"}
