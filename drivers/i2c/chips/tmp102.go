package chips

import (
	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// TMP102 is TI's small thermometer. SBOS397.
func TMP102(b *bus.Buses) drivers.Driver {
	return tmp102(b, "tmp102", "TI TMP102: temperature")
}
