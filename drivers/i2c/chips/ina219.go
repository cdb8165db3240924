package chips

import (
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// INA219 measures up to 26 V. SBOS448G section 8.6.2: bus range 32 V (16 V would show 24 V
// as 16 V), shunt ±320 mV, both averaged over 16 samples (8.51 ms each), once. Conversion
// ready is bit 1 of the bus voltage and is cleared by the write.
func INA219(b *bus.Buses) drivers.Driver {
	return inaPair(b, "ina219", "TI INA219: voltage, current, power", pair{
		shot:   inaShot{config: 0x3e63, takes: 19 * time.Millisecond, readyReg: 0x02, ready: 0x0002, mode: 0x0007},
		decode: decodeINA219,
	})
}

// decodeINA219: 10 µV a step over the shunt, 4 mV a step on the bus from bit 3 on.
// Section 8.6.3.
func decodeINA219(shunt, volts uint16, r chip.Ohm) ([]float64, error) {
	mv := int16(shunt)
	if mv >= 32000 || mv <= -32000 {
		return beyond(float64(volts>>3)*4e-3, "current", fmt.Errorf("%w (±320 mV at %g Ω)", errShunt, r))
	}
	return watts(float64(volts>>3)*4e-3, float64(mv)*10e-6/float64(r)), nil
}
