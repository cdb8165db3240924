package chips

import (
	"time"

	"sensorgate/drivers"
)

// fromAge is how old a value of another device may be, unless the options say another.
const fromAge = 10 * time.Minute

// followOptions are those of a chip that computes with what another device measures.
type followOptions struct {
	Age time.Duration `toml:"from_age" doc:"How old a value of another device may be (…_from); an older one is as none, default 10m."`
}

// follow returns the newest value of another device in unit, within lo and hi; ok is false
// where there is none that can be used. hPa and mbar are made Pa.
func (o followOptions) follow(l *drivers.Latest, channel drivers.ChannelName, unit string, lo, hi float64) (v float64, ok bool) {
	if channel == "" {
		return 0, false
	}
	age := o.Age
	if age <= 0 {
		age = fromAge
	}
	r, ok := l.Get(string(channel), age)
	v, number := r.Value.Number()
	switch {
	case !ok || !number:
		return 0, false
	case unit == "Pa" && (r.Unit == "hPa" || r.Unit == "mbar"):
		v *= 100
	case unit == "Pa" && r.Unit == "kPa":
		v *= 1000
	case r.Unit != unit:
		return 0, false
	}
	return v, v >= lo && v <= hi
}

// airOptions are those of a gas sensor that compensates for the air's humidity.
type airOptions struct {
	Humidity    drivers.ChannelName `toml:"humidity_from" example:"\"attic/humidity\"" doc:"The channel of another device with the humidity in %, to compensate for: \"attic/humidity\"; 50 % without one, or while it is too old."`
	Temperature drivers.ChannelName `toml:"temperature_from" example:"\"attic/temperature\"" doc:"The channel of another device with the temperature in °C, to compensate for: \"attic/temperature\"; 25 °C without one, or while it is too old."`
	followOptions
}

// The usual air, for which gas sensors compensate where nothing else is known.
const (
	usualHumidity    = 50
	usualTemperature = 25
)

// air returns humidity and temperature, and whether each is measured where it was asked for.
func (o airOptions) air(l *drivers.Latest) (rh, celsius float64, quality drivers.Quality) {
	rh, okRH := o.follow(l, o.Humidity, "%", 0, 100)
	if !okRH {
		rh = usualHumidity
	}
	celsius, okT := o.follow(l, o.Temperature, "°C", -40, 85)
	if !okT {
		celsius = usualTemperature
	}
	if o.Humidity != "" && !okRH || o.Temperature != "" && !okT {
		quality = drivers.Uncertain
	}
	return rh, celsius, quality
}
