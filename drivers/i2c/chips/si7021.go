package chips

import (
	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// SI7021 is Silicon Labs'.
func SI7021(b *bus.Buses) drivers.Driver {
	return htu21(b, "si7021", "Silicon Labs Si7021, Si7020, Si7013: temperature, humidity")
}
