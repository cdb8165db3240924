package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// mpuCopy is the id of a copy of the MPU6050 that is sold as one. It has the same registers;
// scan i2c says that it is a copy.
const mpuCopy = 0x98

// mpuFilter is the low-pass filter of the MPU6050, off after a reset.
const mpuFilter = 0x1a

// MPU6050 measures acceleration up to ±16 g: MPU6050, MPU6500, MPU9250, MPU9255. RM-MPU-6000A
// section 4. The MPU6886 has the same registers; its id and temperature are those of
// M5Stack's M5Unified, read.
func MPU6050(b *bus.Buses) drivers.Driver {
	return chip.Driver[*motionOptions]{
		Name:      "mpu6050",
		Summary:   "InvenSense MPU6050, MPU6500, MPU6886, MPU9250, MPU9255: vibration (RMS and peak over a window), tilt, temperature",
		Addresses: []uint16{0x68, 0x69},
		Every:     10 * time.Second,
		Channels:  motionChannels(16, chip.Temperature(-40, 85)),
		Options:   motionDefaults,
		Open: func(ctx context.Context, d *bus.Dev, o *motionOptions) (chip.Read, error) {
			id, err := d.U8(ctx, 0x75)
			if err != nil {
				return nil, err
			}
			// Temperature per count and offset differ. MPU-9250 product specification, table 6.
			perDegree, offset := 340.0, 36.53
			switch id {
			case 0x68, mpuCopy:
			case 0x70, 0x71, 0x73:
				perDegree, offset = 333.87, 21
			case 0x19:
				perDegree, offset = 326.8, 25
			default:
				return nil, chip.WrongChip("mpu6050", uint32(id), nil)
			}
			// Reset: filters, offsets and axes in standby that another program left go. Section 4.28.
			const power, reset, awake, config, g16, standby = 0x6b, 0x80, 0x01, 0x1c, 0x18, 0x6c
			for _, set := range [][2]byte{{power, reset}, {power, awake}, {config, g16}} {
				if err := d.Write(ctx, set[0], set[1]); err != nil {
					return nil, err
				}
				if err := bus.Sleep(ctx, 100*time.Millisecond); err != nil {
					return nil, err
				}
			}
			return func(ctx context.Context) ([]float64, error) {
				var celsius float64
				samples, err := listen(ctx, o.Window, func(ctx context.Context) (v acceleration, err error) {
					b, err := d.Reg(ctx, 0x3b, 8) // three axes and the temperature, high byte first
					for i := range v {
						v[i] = float64(int16(uint16(b[2*i])<<8|uint16(b[2*i+1]))) / 2048 * gravity
					}
					celsius = float64(int16(uint16(b[6])<<8|uint16(b[7])))/perDegree + offset
					return v, err
				})
				if err != nil {
					return nil, err
				}
				// Asleep, as after power-on, it says that nothing moves.
				for _, set := range [][2]byte{{power, awake}, {config, g16}, {standby, 0}, {mpuFilter, 0}, {0x75, id}} {
					if got, err := d.U8(ctx, set[0]); err != nil {
						return nil, err
					} else if got != set[1] {
						return nil, chip.ErrReset
					}
				}
				return append(shaking(samples), celsius), nil
			}, nil
		},
	}.On(b)
}
