package chips

import (
	"fmt"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/i2c/chip"
)

func co2Channels(lo, hi float64) []drivers.Channel {
	return []drivers.Channel{{Name: "co2", Unit: "ppm", Min: lo, Max: hi}, chip.Temperature(-40, 85), chip.Humidity()}
}

// co2Reference is the command that takes the present air for one of so many ppm.
func co2Reference() drivers.Channel { return adapter.Commanded("reference", "ppm", 400, 2000) }

// airPressure is the command that sets the pressure of the air, given in hPa.
func airPressure(lo, hi float64) drivers.Channel {
	return adapter.Commanded("pressure", "Pa", 100*lo, 100*hi)
}

type scdOptions struct {
	chip.I2COptions
	Altitude     int                 `toml:"altitude" example:"320" doc:"The height of the place above the sea in m; the measurement depends on the air's pressure."`
	PressureFrom drivers.ChannelName `toml:"pressure_from" example:"\"attic/pressure\"" doc:"The channel of another device with the air's pressure in Pa, hPa or kPa: \"attic/pressure\"; altitude without one, or while it is too old."`
	followOptions
	SelfCal bool `toml:"self_calibration" doc:"Takes the lowest CO2 of each week for fresh air; only where there is some."`
}

// Check implements drivers.Checker.
func (o *scdOptions) Check() error {
	var err error
	if o.Altitude < 0 || o.Altitude > 3000 {
		err = &drivers.KeyError{Key: "altitude", Problem: fmt.Sprintf("found %d", o.Altitude), Expected: "0 to 3000 m"}
	}
	return chip.JoinErrors(o.I2COptions.Check(), err)
}

func flag(b bool) uint16 {
	if b {
		return 1
	}
	return 0
}
