package chips

import (
	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// PCF8574 has 8 pins without registers. SCPS068 section 8.3.
func PCF8574(b *bus.Buses) drivers.Driver {
	return expanderDriver(b, "pcf8574", "NXP/TI PCF8574, PCF8574A: 8 inputs and outputs", append(chip.Span(0x20, 0x27), chip.Span(0x38, 0x3f)...), pinNames("P", 8), false,
		func(d *bus.Dev, _ bool) expander { return &quasi{d: d, ports: 1} })
}
