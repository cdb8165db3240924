package chips

import (
	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// ADS1015 converts four voltages, 12 bits.
func ADS1015(b *bus.Buses) drivers.Driver {
	return ads(b, "ads1015", "TI ADS1015: four voltages, 12 bits", []int{128, 250, 490, 920, 1600, 2400, 3300}, 1600, 0x7ff0)
}
