package chips

import (
	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// PCF8575 has 16. SCPS121.
func PCF8575(b *bus.Buses) drivers.Driver {
	names := append(pinNames("P0", 8), pinNames("P1", 8)...)
	return expanderDriver(b, "pcf8575", "NXP/TI PCF8575: 16 inputs and outputs", chip.Span(0x20, 0x27), names, false,
		func(d *bus.Dev, _ bool) expander { return &quasi{d: d, ports: 2} })
}
