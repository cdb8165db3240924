package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

const (
	// heatLongest is how long a heater may be on for one command: it is off when the command
	// is done, whatever becomes of the gateway's next poll.
	heatLongest = 5 * time.Second
	// heatCools is how long nothing is published after it: the chip measures itself.
	heatCools = time.Minute
)

// heatChannel is the command that dries a sensor of humidity: for so many seconds.
func heatChannel() drivers.Channel { return adapter.Commanded("heat", "s", 0.1, heatLongest.Seconds()) }

// heater is the heater of an open chip. on heats for as long as it is asked to, and has the
// heater off when it returns, also with an error.
type heater struct {
	cool time.Time // nothing is published before
}

// heatedBy makes a device of a chip that measures what channels say, with a heater. What it
// knows survives that the chip is opened again.
func heatedBy(config chip.Config, channels []drivers.Channel, read chip.Read, on func(ctx context.Context, d time.Duration) error) chip.Device {
	h, ok := config.Keep["heater"].(*heater)
	if !ok {
		h = &heater{}
		config.Keep["heater"] = h
	}
	numbers := chip.Numbers(channels, func(ctx context.Context) ([]float64, error) {
		if time.Now().Before(h.cool) {
			return nil, nil
		}
		return read(ctx)
	})
	return adapter.Acting(numbers, map[string]adapter.Action{
		"heat": adapter.Within(0.1, heatLongest.Seconds(), "s", func(ctx context.Context, seconds float64) error {
			d := time.Duration(seconds * float64(time.Second))
			h.cool = time.Now().Add(d + heatCools)
			return on(ctx, d)
		}),
	})
}

// heatSHT3x switches on for so long. SHT3x data sheet section 4.10.
func heatSHT3x(d *bus.Dev) func(context.Context, time.Duration) error {
	return func(ctx context.Context, long time.Duration) error {
		err := sensirionCommand(ctx, d, 0x306d)
		if err == nil {
			err = bus.Sleep(ctx, long)
		}
		// Off, also for a gateway that ends now; and seen to be.
		if off := sensirionIdle(context.WithoutCancel(ctx), d); err == nil {
			err = off
		}
		return err
	}
}

// heatSHT4x has pulses of a second or a tenth, 200 mW, each with a measurement at its end
// that is thrown away. The chip ends a pulse by itself. Commands as in esp-idf-lib's sht4x and
// ESPHome's component, read.
func heatSHT4x(d *bus.Dev) func(context.Context, time.Duration) error {
	return func(ctx context.Context, long time.Duration) error {
		for long > 0 {
			cmd, takes := byte(0x32), 100*time.Millisecond
			if long >= time.Second {
				cmd, takes = 0x39, time.Second
			}
			if err := d.Write(ctx, cmd); err != nil {
				return err
			}
			if err := bus.Sleep(ctx, takes+takes/10+10*time.Millisecond); err != nil {
				return err
			}
			if _, err := sensirionWords(ctx, d, 2); err != nil {
				return err
			}
			long -= takes
		}
		return nil
	}
}

// heatHDC1080 heats while it measures, so it does that all the time. Bit 13 of the
// configuration, as in ClosedCube's library, read.
func heatHDC1080(d *bus.Dev) func(context.Context, time.Duration) error {
	return func(ctx context.Context, long time.Duration) error {
		err := d.Write16(ctx, hdcConfig, 0x2000)
		for end := time.Now().Add(long); err == nil && time.Now().Before(end); {
			_, err = measureHDC1080(ctx, d, 0)
		}
		if off := d.Write16(context.WithoutCancel(ctx), hdcConfig, 0); err == nil {
			err = off
		}
		return err
	}
}

// heatHDC302x sets the heater's power, of which ten bits of fourteen are some, and switches it on.
// Commands as in the kernel's hdc3020.c, read.
func heatHDC302x(d *bus.Dev) func(context.Context, time.Duration) error {
	const power, on, some = 0x306e, 0x306d, 0x03ff
	return func(ctx context.Context, long time.Duration) error {
		err := sensirionCommand(ctx, d, power, some)
		if err == nil {
			err = sensirionCommand(ctx, d, on)
		}
		if err == nil {
			err = bus.Sleep(ctx, long)
		}
		if off := sensirionIdle(context.WithoutCancel(ctx), d); err == nil {
			err = off
		}
		return err
	}
}

// heatHTU21 sets the bit of the heater, and takes it away. Of an SI7021 it has 3 mA, as another
// register says after power-on.
func heatHTU21(d *bus.Dev) func(context.Context, time.Duration) error {
	return func(ctx context.Context, long time.Duration) error {
		err := setHTU21(ctx, d, htuHeater)
		if err == nil {
			err = bus.Sleep(ctx, long)
		}
		if off := setHTU21(context.WithoutCancel(ctx), d, 0); err == nil {
			err = off
		}
		return err
	}
}
