package chips

import (
	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// AHT20 measures temperature and humidity: AHT20, AHT21, AM2301B.
func AHT20(b *bus.Buses) drivers.Driver {
	return aht(b, "aht20", "Aosong AHT20, AHT21, AM2301B: temperature, humidity", []uint16{0x38}, 0xbe, true)
}
