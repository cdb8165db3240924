package chips

import (
	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// AHT10 is the AHT20's predecessor, which sends no checksum.
func AHT10(b *bus.Buses) drivers.Driver {
	return aht(b, "aht10", "Aosong AHT10, AHT15: temperature, humidity", []uint16{0x38, 0x39}, 0xe1, false)
}
