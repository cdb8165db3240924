package chips

import (
	"context"
	"fmt"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// Accelerometers are read for a window of time in each poll: what is published is how
// strongly the thing shakes and which way is down, never single samples.
const (
	gravity        = 9.80665 // m/s²
	samplePeriod   = 10 * time.Millisecond
	shortestWindow = 100 * time.Millisecond
	longestWindow  = 3 * time.Second
)

type motionOptions struct {
	At
	Window time.Duration `toml:"window" doc:"how long each reading listens, 100ms to 3s; 100 samples a second"`
}

// Check implements drivers.Checker.
func (o *motionOptions) Check() error {
	var err error
	if o.Window < shortestWindow || o.Window > longestWindow {
		err = &drivers.KeyError{Key: "window", Problem: fmt.Sprintf("found %v", o.Window), Expected: "100ms to 3s", Try: `window = "500ms"`}
	}
	return joined(o.At.Check(), err)
}

func motionDefaults() *motionOptions { return &motionOptions{Window: 500 * time.Millisecond} }

// motionChannels: shaking without the mean, and the mean itself, which is gravity.
func motionChannels(g float64, more ...drivers.Channel) []drivers.Channel {
	const unit = "m/s²"
	most := 2 * g * gravity // the corner of a cube, and then some
	return append([]drivers.Channel{
		{Name: "rms", Unit: unit, Min: 0, Max: most}, {Name: "peak", Unit: unit, Min: 0, Max: most},
		{Name: "x", Unit: unit, Min: -most, Max: most}, {Name: "y", Unit: unit, Min: -most, Max: most}, {Name: "z", Unit: unit, Min: -most, Max: most},
	}, more...)
}

// acceleration has three parts, in m/s².
type acceleration [3]float64

// shaking gives rms, peak, and the mean's three parts.
func shaking(samples []acceleration) []float64 {
	var mean acceleration
	for _, s := range samples {
		for i := range mean {
			mean[i] += s[i] / float64(len(samples))
		}
	}
	sum, peak := 0.0, 0.0
	for _, s := range samples {
		sq := 0.0
		for i := range mean {
			sq += (s[i] - mean[i]) * (s[i] - mean[i])
		}
		sum += sq
		peak = max(peak, math.Sqrt(sq))
	}
	return []float64{math.Sqrt(sum / float64(len(samples))), peak, mean[0], mean[1], mean[2]}
}

// listen takes samples for the window.
func listen(ctx context.Context, window time.Duration, sample func(context.Context) (acceleration, error)) ([]acceleration, error) {
	var all []acceleration
	for start := time.Now(); len(all) == 0 || time.Since(start) < window; {
		v, err := sample(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
		if err := bus.Sleep(ctx, samplePeriod); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// MPU6050 measures acceleration up to ±16 g: MPU6050, MPU6500, MPU9250. RM-MPU-6000A
// section 4.
func MPU6050(b *bus.Buses) drivers.Driver {
	return chip[*motionOptions]{
		name:     "mpu6050",
		summary:  "InvenSense MPU6050, MPU6500, MPU9250: vibration (RMS and peak over a window), tilt, temperature",
		addrs:    []uint16{0x68, 0x69},
		every:    10 * time.Second,
		channels: motionChannels(16, temperature(-40, 85)),
		options:  motionDefaults,
		open: func(ctx context.Context, d *bus.Dev, o *motionOptions) (read, error) {
			id, err := d.U8(ctx, 0x75)
			if err != nil {
				return nil, err
			}
			// Temperature per count and offset differ. MPU-9250 product specification, table 6.
			perDegree, offset := 340.0, 36.53
			switch id {
			case 0x68:
			case 0x70, 0x71:
				perDegree, offset = 333.87, 21
			default:
				return nil, wrongChip("mpu6050", uint32(id), nil)
			}
			const power, awake, config, g16 = 0x6b, 0x01, 0x1c, 0x18
			for _, set := range [][2]byte{{power, awake}, {config, g16}} {
				if err := d.Write(ctx, set[0], set[1]); err != nil {
					return nil, err
				}
			}
			if err := bus.Sleep(ctx, 100*time.Millisecond); err != nil {
				return nil, err
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
				for _, set := range [][2]byte{{power, awake}, {config, g16}, {0x75, id}} {
					if got, err := d.U8(ctx, set[0]); err != nil {
						return nil, err
					} else if got != set[1] {
						return nil, errReset
					}
				}
				return append(shaking(samples), celsius), nil
			}, nil
		},
	}.driver(b)
}

// ADXL345 measures acceleration up to ±16 g. Data sheet Rev. E "Register map".
func ADXL345(b *bus.Buses) drivers.Driver {
	return chip[*motionOptions]{
		name:     "adxl345",
		summary:  "Analog Devices ADXL345: vibration (RMS and peak over a window), tilt",
		addrs:    []uint16{0x53, 0x1d},
		every:    10 * time.Second,
		channels: motionChannels(16),
		options:  motionDefaults,
		open: func(ctx context.Context, d *bus.Dev, o *motionOptions) (read, error) {
			id, err := d.U8(ctx, 0x00)
			if err != nil {
				return nil, err
			}
			if id != 0xe5 {
				return nil, wrongChip("adxl345", uint32(id), nil)
			}
			const power, measure, format, full16 = 0x2d, 0x08, 0x31, 0x0b
			for _, set := range [][2]byte{{format, full16}, {power, measure}} {
				if err := d.Write(ctx, set[0], set[1]); err != nil {
					return nil, err
				}
			}
			if err := bus.Sleep(ctx, 20*time.Millisecond); err != nil {
				return nil, err
			}
			return func(ctx context.Context) ([]float64, error) {
				samples, err := listen(ctx, o.Window, func(ctx context.Context) (v acceleration, err error) {
					b, err := d.Reg(ctx, 0x32, 6) // low byte first; 256 counts are 1 g
					for i := range v {
						v[i] = float64(int16(uint16(b[2*i])|uint16(b[2*i+1])<<8)) / 256 * gravity
					}
					return v, err
				})
				if err != nil {
					return nil, err
				}
				for _, set := range [][2]byte{{power, measure}, {format, full16}} {
					if got, err := d.U8(ctx, set[0]); err != nil {
						return nil, err
					} else if got != set[1] {
						return nil, errReset
					}
				}
				return shaking(samples), nil
			}, nil
		},
	}.driver(b)
}
