package chips

import (
	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// HTU21D, SI7021 and SHT21 speak alike: the same commands, formulas and checksum, from
// three makers.
func HTU21D(b *bus.Buses) drivers.Driver {
	return htu21(b, "htu21d", "TE HTU21D: temperature, humidity")
}
