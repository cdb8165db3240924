package adapter

import (
	"math"
	"time"

	"sensorgate/drivers"
)

// The channels that many chips have. Ranges are those of the data sheets, a little
// wider where a sensor may truly be beyond.

// Temperature is a channel in °C.
func Temperature(lo, hi float64) drivers.Channel {
	return drivers.Channel{Name: "temperature", Unit: "°C", Min: lo, Max: hi}
}

// Humidity is a channel of relative humidity in %.
func Humidity() drivers.Channel {
	return drivers.Channel{Name: "humidity", Unit: "%", Min: 0, Max: 100}
}

// Pressure is a channel in Pa.
func Pressure(lo, hi float64) drivers.Channel {
	return drivers.Channel{Name: "pressure", Unit: "Pa", Min: lo, Max: hi}
}

// Readings makes readings of values in the order of channels, now. NaN is no reading.
func Readings(channels []drivers.Channel, values []float64) []drivers.Reading {
	rs := make([]drivers.Reading, 0, len(values))
	now := time.Now()
	for i, v := range values {
		if math.IsNaN(v) {
			continue
		}
		c := channels[i]
		rs = append(rs, drivers.Reading{Channel: c.Name, Unit: c.Unit, Value: drivers.Number(v), Time: now})
	}
	return rs
}

// Need is Spec.Needs of channels that are all computed with one other.
func Need(other string, channels ...string) map[string][]string {
	needs := make(map[string][]string, len(channels))
	for _, c := range channels {
		needs[c] = []string{other}
	}
	return needs
}
