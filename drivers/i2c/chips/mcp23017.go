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
		func(d *bus.Dev, irq bool) expander {
			// IOCON is at 0x05 with BANK = 1, where with BANK = 0 are interrupts, which are set
			// after it. With BANK = 0, which the first write restores, it is at 0x0a. Tables 3-4, 3-5.
			r := &registered{d: d, dir: 0x00, output: 0x14, input: 0x12, polarity: 0x02, pull: 0x0c, configs: []byte{0x05, 0x0a}}
			if irq {
				r.interrupts, r.compare, r.config = 0x04, 0x08, 0x44 // MIRROR and ODR: either pin reports both ports, by pulling low
			}
			return r
		})
}
