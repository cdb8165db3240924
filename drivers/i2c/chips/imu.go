package chips

import (
	"context"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// imu is an accelerometer up to ±16 g with a thermometer, whose settings are gone after a reset.
type imu struct {
	name      string
	addresses []uint16
	idReg     byte
	known     func(id byte) bool
	reset     [2]byte // register and what resets it
	wake      []byte  // to be written then, if anything; it takes some milliseconds
	settings  []setting
	data      byte
	size      int
	decode    func(id byte, b []byte) (v acceleration, celsius float64)
}

func (m imu) on(b *bus.Buses, summary string) drivers.Driver {
	return chip.Driver[*motionOptions]{
		Name:      m.name,
		Summary:   summary + ": vibration (RMS and peak over a window), tilt, temperature",
		Addresses: m.addresses,
		Every:     10 * time.Second,
		Channels:  motionChannels(16, chip.Temperature(-40, 85)),
		Options:   motionDefaults,
		Open: func(ctx context.Context, d *bus.Dev, o *motionOptions) (chip.Read, error) {
			id, err := d.U8(ctx, m.idReg)
			if err != nil {
				return nil, err
			}
			if !m.known(id) {
				return nil, chip.WrongChip(m.name, uint32(id), nil)
			}
			if err := m.setup(ctx, d); err != nil {
				return nil, err
			}
			return func(ctx context.Context) ([]float64, error) {
				var celsius float64
				samples, err := listen(ctx, o.Window, func(ctx context.Context) (v acceleration, err error) {
					b, err := d.Reg(ctx, m.data, m.size)
					if err == nil {
						v, celsius = m.decode(id, b)
					}
					return v, err
				})
				if err != nil {
					return nil, err
				}
				return append(shaking(samples), celsius), checkSettings(ctx, d, m.settings)
			}, nil
		},
	}.On(b)
}

// setup resets the chip: filters, offsets and a FIFO that another program left go.
func (m imu) setup(ctx context.Context, d *bus.Dev) error {
	for _, w := range [][]byte{m.reset[:], m.wake} {
		if w == nil {
			continue
		}
		if err := d.Write(ctx, w...); err != nil {
			return err
		}
		if err := bus.Sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	if err := writeSettings(ctx, d, m.settings); err != nil {
		return err
	}
	return bus.Sleep(ctx, 50*time.Millisecond) // the first samples are of settings before
}

// part is one of three numbers, low byte first, as m/s² where 32768 are 16 g.
func part(b []byte, i int, counts float64) float64 {
	return float64(int16(uint16(b[2*i])|uint16(b[2*i+1])<<8)) * gravity / counts
}

// LSM6DS measures acceleration: ST's LSM6DS3, LSM6DSL, LSM6DSO and relatives, by their ids.
// Registers, ids and step (0.488 mg) as in the kernel's st_lsm6dsx_core.c, the temperature as in
// ST's own drivers (16 a degree, or 256 of all but the first); read.
func LSM6DS(b *bus.Buses) drivers.Driver {
	return imu{
		name: "lsm6ds", addresses: []uint16{0x6a, 0x6b}, idReg: 0x0f,
		known: func(id byte) bool { return id >= 0x69 && id <= 0x6c },
		reset: [2]byte{0x12, 0x01},
		// 104 Hz, 16 g; halves of one sample; code 1 is 16 g and not 2. 0, 4 and 0 after power-on.
		settings: []setting{{0x12, true, 0xff, 0x44}, {0x17, true, 0xff, 0}, {0x10, true, 0xff, 0x44}},
		data:     0x20, size: 14, // temperature, three of turning, three of acceleration
		decode: func(id byte, b []byte) (v acceleration, celsius float64) {
			for i := range v {
				v[i] = part(b[8:], i, 1000/0.488)
			}
			perDegree := 256.0
			if id == 0x69 {
				perDegree = 16
			}
			return v, 25 + float64(int16(uint16(b[0])|uint16(b[1])<<8))/perDegree
		},
	}.on(b, "ST LSM6DS3, LSM6DSL, LSM6DSO, LSM6DSR and relatives")
}

// BMI160 measures acceleration. Registers, id and ranges as in the kernel's bmi160_core.c, the
// temperature as in ESPHome's component (64.5 °C of half the range, from 23 °C); read.
func BMI160(b *bus.Buses) drivers.Driver {
	return imu{
		name: "bmi160", addresses: []uint16{0x68, 0x69}, idReg: 0x00,
		known: func(id byte) bool { return id == 0xd1 },
		reset: [2]byte{0x7e, 0xb6},
		wake:  []byte{0x7e, 0x11},
		// 100 Hz, 16 g (2 g after power-on), and awake.
		settings: []setting{{0x40, true, 0xff, 0x28}, {0x41, true, 0x0f, 0x0c}},
		data:     0x12, size: 16, // three of acceleration, the time, the status, temperature
		decode: func(_ byte, b []byte) (v acceleration, celsius float64) {
			for i := range v {
				v[i] = part(b, i, 2048)
			}
			raw := int16(uint16(b[14]) | uint16(b[15])<<8)
			if raw == math.MinInt16 { // it has not measured it
				return v, math.NaN()
			}
			return v, 23 + float64(raw)/512
		},
	}.on(b, "Bosch BMI160")
}
