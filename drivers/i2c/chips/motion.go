package chips

import (
	"context"
	"fmt"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// Accelerometers are read for a window of time in each poll: what is published is how
// strongly the thing shakes and which way is down, never single samples.
const (
	gravity        = 9.80665 // m/s²
	samplePeriod   = 10 * time.Millisecond
	shortestWindow = 100 * time.Millisecond
	longestWindow  = 3 * time.Second
	defaultWindow  = 500 * time.Millisecond
)

type motionOptions struct {
	chip.I2COptions
	motionWindow
}

type motionWindow struct {
	Window time.Duration `toml:"window" doc:"How long each reading listens, 100ms to 3s; 100 samples a second."`
}

// Check implements drivers.Checker.
func (o *motionOptions) Check() error {
	return chip.JoinErrors(o.I2COptions.Check(), o.motionWindow.check())
}

func (o *motionWindow) check() error {
	if o.Window < shortestWindow || o.Window > longestWindow {
		return &drivers.KeyError{Key: "window", Problem: fmt.Sprintf("found %v", o.Window), Expected: "100ms to 3s", Try: `window = "500ms"`}
	}
	return nil
}

// motionEitherOptions are those of a chip that can be on SPI too.
type motionEitherOptions struct {
	chip.EitherOptions
	motionWindow
}

// Check implements drivers.Checker.
func (o *motionEitherOptions) Check() error {
	return chip.JoinErrors(o.EitherOptions.Check(), o.motionWindow.check())
}

func motionEitherDefaults() *motionEitherOptions {
	return &motionEitherOptions{motionWindow: motionWindow{defaultWindow}}
}

func motionDefaults() *motionOptions {
	return &motionOptions{motionWindow: motionWindow{defaultWindow}}
}

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

// shaking returns rms, peak, and the mean's three parts.
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
