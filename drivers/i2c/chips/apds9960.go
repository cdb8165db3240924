package chips

import (
	"context"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// Registers and ids of the APDS9960, as in the kernel's apds9960.c and ESPHome's component, read.
const (
	apdsEnable, apdsTime, apdsControl, apdsConfig2, apdsID, apdsStatus, apdsData = 0x80, 0x81, 0x8f, 0x90, 0x92, 0x93, 0x94

	apdsOn     = 0x07 // power, light, proximity; 0 after power-on
	apdsCycles = 37   // of 2.78 ms
	apdsFull   = apdsCycles * 1025
)

// apdsGains are the gains by their codes.
var apdsGains = []float64{1, 4, 16, 64}

// counts are channels of light in counts of a millisecond without gain.
func counts(most float64, names ...string) (all []drivers.Channel) {
	for _, name := range names {
		all = append(all, drivers.Channel{Name: name, Min: 0, Max: most})
	}
	return all
}

// APDS9960 measures light, its colours, and how much of its own comes back.
func APDS9960(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "apds9960",
		Summary:   "Broadcom APDS9960: light and its colours, proximity",
		Addresses: []uint16{0x39},
		Every:     10 * time.Second,
		Channels:  append(counts(400, "clear", "red", "green", "blue"), drivers.Channel{Name: "proximity", Unit: "%", Min: 0, Max: 100}),
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			switch id, err := d.U8(ctx, apdsID); {
			case err != nil:
				return nil, err
			case id != 0xab && id != 0x9c && id != 0xa8 && id != 0x9e:
				return nil, chip.WrongChip("apds9960", uint32(id), nil)
			}
			return func(ctx context.Context) ([]float64, error) {
				gain := 2
				v, err := measureAPDS9960(ctx, d, gain)
				if err != nil {
					return nil, err
				}
				switch most := max(v[0], v[1], v[2], v[3]); {
				case most >= apdsFull:
					gain = 0
				case most < 1000:
					gain = 3
				default:
					return scaleAPDS9960(v, gain), nil
				}
				if v, err = measureAPDS9960(ctx, d, gain); err != nil {
					return nil, err
				}
				return scaleAPDS9960(v, gain), tooBright(v[:4], apdsFull, "clear", "red", "green", "blue")
			}, nil
		},
	}.On(b)
}

// scaleAPDS9960 returns counts of a millisecond without gain, and %.
func scaleAPDS9960(v []float64, gain int) []float64 {
	out := make([]float64, 5)
	for i := range 4 {
		out[i] = v[i] / apdsGains[gain] / (apdsCycles * 2.78)
	}
	out[4] = v[4] / 255 * 100
	return out
}

// tooBright are the faults of the channels that are at full scale.
func tooBright(v []float64, full float64, names ...string) error {
	var errs []error
	for i, x := range v {
		if x >= full {
			errs = append(errs, chip.Fault(names[i], errTooBright))
		}
	}
	return chip.JoinErrors(errs...)
}

// measureAPDS9960 measures once, from off, so that what is ready is what was asked for.
func measureAPDS9960(ctx context.Context, d *bus.Dev, gain int) ([]float64, error) {
	settings := []setting{{apdsTime, true, 0xff, 256 - apdsCycles}, {apdsControl, true, 0xff, uint16(gain)}, {apdsConfig2, true, 0xff, 0x01}, {apdsEnable, true, 0xff, apdsOn}}
	if err := d.Write(ctx, apdsEnable, 0); err != nil {
		return nil, err
	}
	if err := writeSettings(ctx, d, settings); err != nil {
		return nil, err
	}
	if err := awaitBits(ctx, d, apdsStatus, 0x03, 115*time.Millisecond); err != nil {
		return nil, err
	}
	b, err := d.Reg(ctx, apdsData, 9) // clear, red, green, blue, low byte first; proximity
	if err != nil {
		return nil, err
	}
	v := []float64{4: float64(b[8])}
	for i := range 4 {
		v[i] = math.Min(float64(uint16(b[2*i+1])<<8|uint16(b[2*i])), apdsFull)
	}
	return v, checkSettings(ctx, d, settings)
}
