package chips

import (
	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// SHT21 is Sensirion's.
func SHT21(b *bus.Buses) drivers.Driver {
	return htu21(b, "sht21", "Sensirion SHT20, SHT21, SHT25: temperature, humidity")
}
