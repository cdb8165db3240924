package chips

import (
	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// MCP23017 has 16 pins with pull-ups. DS20001952 section 3.5, registers with BANK = 0.
func MCP23017(b *bus.Buses) drivers.Driver {
	names := append(pinNames("A", 8), pinNames("B", 8)...)
	return expanderDriver(b, "mcp23017", "Microchip MCP23017: 16 inputs and outputs", chip.Span(0x20, 0x27), names, true,
		func(d *bus.Dev) expander {
			// IOCON bit 0 is not implemented and reads as zero.
			return &registered{d: d, dir: 0x00, output: 0x14, input: 0x12, pull: 0x0c, zero: 0x0a, zeroBits: 0x01}
		})
}
