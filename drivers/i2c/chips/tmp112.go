package chips

import (
	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// TMP112 is a better TMP102. SBOS473.
func TMP112(b *bus.Buses) drivers.Driver {
	return tmp102(b, "tmp112", "TI TMP112: temperature within 0.5 °C")
}
