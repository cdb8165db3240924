package chips

import (
	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// ADS1115 converts four voltages, 16 bits.
func ADS1115(b *bus.Buses) drivers.Driver {
	return ads(b, "ads1115", "TI ADS1115: four voltages, 16 bits", []int{8, 16, 32, 64, 128, 250, 475, 860}, 128, 0x7fff)
}
