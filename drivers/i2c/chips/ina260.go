package chips

import (
	"context"
	"errors"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// INA260 has its shunt inside. SBOS656C section 8.6.1; bits 14 to 12 are fixed at 110.
func INA260(b *bus.Buses) drivers.Driver {
	p := pair{shot: averaged16(0x6523), die: 0x2270, decode: decodeINA260}
	return chip.Driver[*chip.I2COptions]{
		Name:      "ina260",
		Summary:   "TI INA260: voltage, current (±15 A, shunt inside), power",
		Addresses: inaAddrs,
		Every:     5 * time.Second,
		Channels:  powerChannels(),
		Needs:     powerNeeds(),
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			return p.open(ctx, d, "ina260", 0)
		},
	}.On(b)
}

// decodeINA260: 1.25 mA and 1.25 mV a step. Sections 8.6.2 and 8.6.3.
func decodeINA260(amps, volts uint16, _ chip.Ohm) ([]float64, error) {
	if amps == 0x7fff || amps == 0x8000 {
		return beyond(float64(volts)*1.25e-3, "current", errors.New("the current is beyond ±40 A"))
	}
	return watts(float64(volts)*1.25e-3, float64(int16(amps))*1.25e-3), nil
}
