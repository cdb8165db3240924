package chips

import (
	"fmt"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// INA226 measures up to 36 V. SBOS547B section 7.6.1; bit 14 of the configuration always
// reads as one.
func INA226(b *bus.Buses) drivers.Driver {
	return inaPair(b, "ina226", "TI INA226: voltage, current, power", pair{shot: averaged16(0x4523), die: 0x2260, decode: decodeINA226})
}

// decodeINA226: 2.5 µV a step over the shunt, 1.25 mV on the bus. Section 7.6.2.
func decodeINA226(shunt, volts uint16, r chip.Ohm) ([]float64, error) {
	if shunt == 0x7fff || shunt == 0x8000 {
		return beyond(float64(volts)*1.25e-3, "current", fmt.Errorf("%w (±81.92 mV at %g Ω)", errShunt, r))
	}
	return watts(float64(volts)*1.25e-3, float64(int16(shunt))*2.5e-6/float64(r)), nil
}
