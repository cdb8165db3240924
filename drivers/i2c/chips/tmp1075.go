package chips

import (
	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// TMP1075 is TI's successor of the TMP75, with its registers; the bits for the resolution
// are those for the rate there, and it always has 12. Looked up in the kernel's lm75.c.
func TMP1075(b *bus.Buses) drivers.Driver {
	return lm75(b, "tmp1075", "TI TMP1075: temperature", 12)
}

// PCT2075 is NXP's LM75 with 11 bits. Looked up in the kernel's lm75.c.
func PCT2075(b *bus.Buses) drivers.Driver {
	return lm75(b, "pct2075", "NXP PCT2075: temperature", 11)
}
