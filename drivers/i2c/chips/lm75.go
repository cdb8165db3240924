package chips

import (
	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// LM75 is the LM75 and what copies it.
func LM75(b *bus.Buses) drivers.Driver {
	return lm75(b, "lm75", "NS/TI/NXP LM75, LM75A, LM75B, DS75 and copies: temperature", 9)
}
