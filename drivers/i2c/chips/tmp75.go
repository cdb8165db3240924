package chips

import (
	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// TMP75 is TI's LM75 with 12 bits. SBOS288.
func TMP75(b *bus.Buses) drivers.Driver {
	return lm75(b, "tmp75", "TI TMP75, TMP175, TMP275: temperature", 12)
}
