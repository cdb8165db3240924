package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// LIS3DH measures acceleration up to ±8 g: LIS3DH, LIS2DH12. Registers as in RIOT's lis3dh,
// the step as in the kernel's st_accel_core.c, both read.
func LIS3DH(b *bus.Buses) drivers.Driver {
	// 100 Hz on three axes; no filter, interrupt or FIFO that another program left; whole samples,
	// ±8 g, 12 bits. After power-on it is switched off.
	settings := []setting{{0x21, true, 0xff, 0}, {0x22, true, 0xff, 0}, {0x24, true, 0xff, 0}, {0x25, true, 0xff, 0}, {0x23, true, 0xff, 0xa8}, {0x20, true, 0xff, 0x57}}
	const data, burst = 0x28, 0x80
	return chip.Driver[*motionOptions]{
		Name:      "lis3dh",
		Summary:   "ST LIS3DH, LIS2DH12: vibration (RMS and peak over a window), tilt",
		Addresses: []uint16{0x18, 0x19},
		Every:     10 * time.Second,
		Channels:  motionChannels(8),
		Options:   motionDefaults,
		Open: func(ctx context.Context, d *bus.Dev, o *motionOptions) (chip.Read, error) {
			id, err := d.U8(ctx, 0x0f)
			if err != nil {
				return nil, err
			}
			if id != 0x33 {
				return nil, chip.WrongChip("lis3dh", uint32(id), nil)
			}
			if err := writeSettings(ctx, d, settings); err != nil {
				return nil, err
			}
			if err := bus.Sleep(ctx, 80*time.Millisecond); err != nil { // seven samples until it has settled
				return nil, err
			}
			return func(ctx context.Context) ([]float64, error) {
				samples, err := listen(ctx, o.Window, func(ctx context.Context) (v acceleration, err error) {
					b, err := d.Reg(ctx, data|burst, 6) // low byte first; twelve bits at the top, 4 mg each
					for i := range v {
						v[i] = float64(int16(uint16(b[2*i])|uint16(b[2*i+1])<<8)>>4) * 0.004 * gravity
					}
					return v, err
				})
				if err != nil {
					return nil, err
				}
				return shaking(samples), checkSettings(ctx, d, settings)
			}, nil
		},
	}.On(b)
}
