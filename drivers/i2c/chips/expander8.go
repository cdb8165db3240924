package chips

import (
	"slices"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// MCP23008 has 8 pins with pull-ups. Registers as in ESPHome's mcp23xxx_base, read; the bit
// of its configuration is the MCP23017's.
func MCP23008(b *bus.Buses) drivers.Driver {
	return expanderDriver(b, "mcp23008", "Microchip MCP23008: 8 inputs and outputs", chip.Span(0x20, 0x27), pinNames("GP", 8), true,
		func(d *bus.Dev, irq bool) expander {
			r := &registered{d: d, one: true, dir: 0x00, polarity: 0x01, pull: 0x06, input: 0x09, output: 0x0a, configs: []byte{0x05}}
			if irq {
				r.interrupts, r.compare, r.config = 0x02, 0x04, 0x04 // ODR: the pin pulls low
			}
			return r
		})
}

// PCA9554 has 8 pins and registers: PCA9534, PCA9554, TCA9534, TCA9554, and with an A behind
// at other addresses. Registers as in ESPHome's pca9554, read.
func PCA9554(b *bus.Buses) drivers.Driver {
	return expanderDriver(b, "pca9554", "NXP/TI PCA9534, PCA9554, TCA9534, TCA9554: 8 inputs and outputs", slices.Concat(chip.Span(0x20, 0x27), chip.Span(0x38, 0x3f)), pinNames("P", 8), false,
		func(d *bus.Dev, _ bool) expander {
			return &registered{d: d, one: true, input: 0x00, output: 0x01, polarity: 0x02, dir: 0x03}
		})
}
