package chips

import (
	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// PCA9535 has 16 pins. SCPS129 section 8.6: PCA9535, PCA9555, TCA9535, TCA9555, XL9535.
func PCA9535(b *bus.Buses) drivers.Driver {
	names := append(pinNames("P0", 8), pinNames("P1", 8)...)
	return expanderDriver(b, "pca9535", "NXP/TI PCA9535, PCA9555, TCA9535, TCA9555, XL9535: 16 inputs and outputs", chip.Span(0x20, 0x27), names, false,
		func(d *bus.Dev, _ bool) expander {
			return &registered{d: d, dir: 0x06, output: 0x02, input: 0x00, polarity: 0x04}
		})
}
