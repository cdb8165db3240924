package chips

import (
	"context"
	"fmt"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// SCD4x measures CO2 every five seconds: SCD40, SCD41, SCD43.
func SCD4x(b *bus.Buses) drivers.Driver {
	return chip.Driver[*scdOptions]{
		Name:       "scd4x",
		Summary:    "Sensirion SCD40, SCD41: CO2, temperature, humidity",
		Addresses:  []uint16{0x62},
		Every:      30 * time.Second,
		Channels:   append(co2Channels(1, 40000), co2Reference(), airPressure(700, 1200)),
		Needs:      chip.Need("temperature", "humidity", "co2"),
		Options:    func() *scdOptions { return &scdOptions{SelfCal: true} },
		OpenDevice: openSCD4x,
	}.On(b)
}

// openSCD4x stops what another program started, wakes the chip if one put it to sleep, and
// forgets what that set: a temperature offset, an air pressure. What the user keeps in the
// chip's EEPROM stays.
func openSCD4x(ctx context.Context, d *bus.Dev, o *scdOptions, config chip.Config) (chip.Device, error) {
	// It refuses settings while it measures; stopping takes 500 ms: section 3.6.3. Waking,
	// which it does not acknowledge, takes 30 ms: "wake_up".
	if err := sensirionAwake(ctx, d, 0x3f86, 0x36f6, 1, 30*time.Millisecond); err != nil {
		return nil, err
	}
	if err := bus.Sleep(ctx, 500*time.Millisecond); err != nil {
		return nil, err
	}
	if err := sensirionCommand(ctx, d, 0x3646); err != nil { // "reinit"
		return nil, err
	}
	if err := bus.Sleep(ctx, 30*time.Millisecond); err != nil {
		return nil, err
	}
	if _, err := sensirionAsk(ctx, d, time.Millisecond, 3, 0x3682); err != nil { // serial number
		return nil, err
	}
	for _, set := range [][2]uint16{{0x2427, uint16(o.Altitude)}, {0x2416, flag(o.SelfCal)}} {
		if err := sensirionCommand(ctx, d, set[0], set[1]); err != nil {
			return nil, err
		}
		if err := bus.Sleep(ctx, time.Millisecond); err != nil {
			return nil, err
		}
	}
	if err := sensirionCommand(ctx, d, 0x21b1); err != nil { // start, section 3.6.1
		return nil, err
	}
	f := &fresh{last: time.Now(), limit: 12 * time.Second}
	// "set_ambient_pressure": in hPa, also while it measures.
	setPressure := func(ctx context.Context, pascal float64) error {
		if err := sensirionCommand(ctx, d, 0xe000, uint16(math.Round(pascal/100))); err != nil {
			return err
		}
		return bus.Sleep(ctx, time.Millisecond)
	}
	numbers := chip.Numbers(co2Channels(1, 40000), func(ctx context.Context) ([]float64, error) {
		if p, ok := o.follow(config.Latest, o.PressureFrom, "Pa", 70000, 120000); ok {
			if err := setPressure(ctx, p); err != nil {
				return nil, err
			}
		}
		return readSCD4x(ctx, d, f)
	})
	return adapter.Acting(numbers, map[string]adapter.Action{
		"reference": adapter.Within(400, 2000, "ppm", func(ctx context.Context, ppm float64) error { return recalibrateSCD4x(ctx, d, f, ppm) }),
		"pressure":  adapter.Within(70000, 120000, "Pa", setPressure),
	}), nil
}

// recalibrateSCD4x takes the air that the chip is in for one of so many ppm. It must have
// measured for three minutes before, and be stopped: section 3.7.1,
// "perform_forced_recalibration".
func recalibrateSCD4x(ctx context.Context, d *bus.Dev, f *fresh, ppm float64) error {
	if err := sensirionCommand(ctx, d, 0x3f86); err != nil {
		return err
	}
	if err := bus.Sleep(ctx, 500*time.Millisecond); err != nil {
		return err
	}
	answer, err := sensirionAsk(ctx, d, 400*time.Millisecond, 1, 0x362f, uint16(math.Round(ppm)))
	if err != nil {
		return err
	}
	f.last = time.Now()
	if err := sensirionCommand(ctx, d, 0x21b1); err != nil {
		return err
	}
	if answer[0] == 0xffff {
		return fmt.Errorf("%w: the chip could not calibrate (has it measured for three minutes in this air?)", drivers.ErrRefused)
	}
	return nil
}

// readSCD4x takes a measurement if there is a new one; one is ready every five seconds.
func readSCD4x(ctx context.Context, d *bus.Dev, f *fresh) ([]float64, error) {
	ready, err := sensirionAsk(ctx, d, time.Millisecond, 1, 0xe4b8) // section 3.9.2
	if err != nil {
		return nil, err
	}
	if ready[0]&0x07ff == 0 {
		return nil, f.none()
	}
	w, err := sensirionAsk(ctx, d, time.Millisecond, 3, 0xec05)
	if err != nil {
		return nil, err
	}
	f.last = time.Now()
	// Section 3.6.2.
	return []float64{float64(w[0]), -45 + 175*float64(w[1])/65535, 100 * float64(w[2]) / 65535}, nil
}
