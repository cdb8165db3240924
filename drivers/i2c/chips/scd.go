package chips

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

func co2Channels(lo, hi float64) []drivers.Channel {
	return []drivers.Channel{{Name: "co2", Unit: "ppm", Min: lo, Max: hi}, temperature(-40, 85), humidity()}
}

type scdOptions struct {
	At
	Altitude int  `toml:"altitude" doc:"of the place above the sea in m; the measurement depends on the air's pressure"`
	SelfCal  bool `toml:"self_calibration" doc:"take the lowest CO2 of each week for fresh air; only where there is some"`
}

// Check implements drivers.Checker.
func (o *scdOptions) Check() error {
	var err error
	if o.Altitude < 0 || o.Altitude > 3000 {
		err = &drivers.KeyError{Key: "altitude", Problem: fmt.Sprintf("found %d", o.Altitude), Expected: "0 to 3000 m"}
	}
	return joined(o.At.Check(), err)
}

func flag(b bool) uint16 {
	if b {
		return 1
	}
	return 0
}

// fresh gives a chip that measures on its own time to have something new: no value is
// no error until it has been silent for too long.
type fresh struct {
	last  time.Time
	limit time.Duration
}

func (f *fresh) none() error {
	if time.Since(f.last) > f.limit {
		return fmt.Errorf("%w: nothing new for %v (did it lose its supply?)", drivers.ErrNoAnswer, f.limit)
	}
	return nil
}

// SCD4x measures CO2 every five seconds: SCD40, SCD41, SCD43.
func SCD4x(b *bus.Buses) drivers.Driver {
	return chip[*scdOptions]{
		name:     "scd4x",
		summary:  "Sensirion SCD40, SCD41: CO2, temperature, humidity",
		addrs:    []uint16{0x62},
		every:    30 * time.Second,
		channels: co2Channels(1, 40000),
		options:  func() *scdOptions { return &scdOptions{SelfCal: true} },
		open: func(ctx context.Context, d *bus.Dev, o *scdOptions) (read, error) {
			// It refuses settings while it measures; stopping takes 500 ms. Section 3.6.3.
			if err := command(ctx, d, 0x3f86); err != nil {
				return nil, err
			}
			if err := bus.Sleep(ctx, 500*time.Millisecond); err != nil {
				return nil, err
			}
			if _, err := ask(ctx, d, time.Millisecond, 3, 0x3682); err != nil { // serial number
				return nil, err
			}
			for _, set := range [][2]uint16{{0x2427, uint16(o.Altitude)}, {0x2416, flag(o.SelfCal)}} {
				if err := command(ctx, d, set[0], set[1]); err != nil {
					return nil, err
				}
				if err := bus.Sleep(ctx, time.Millisecond); err != nil {
					return nil, err
				}
			}
			if err := command(ctx, d, 0x21b1); err != nil { // start, section 3.6.1
				return nil, err
			}
			f := &fresh{last: time.Now(), limit: 12 * time.Second}
			return func(ctx context.Context) ([]float64, error) { return readSCD4x(ctx, d, f) }, nil
		},
	}.driver(b)
}

// readSCD4x takes a measurement if there is a new one; one is ready every five seconds.
func readSCD4x(ctx context.Context, d *bus.Dev, f *fresh) ([]float64, error) {
	ready, err := ask(ctx, d, time.Millisecond, 1, 0xe4b8) // section 3.9.2
	if err != nil {
		return nil, err
	}
	if ready[0]&0x07ff == 0 {
		return nil, f.none()
	}
	w, err := ask(ctx, d, time.Millisecond, 3, 0xec05)
	if err != nil {
		return nil, err
	}
	f.last = time.Now()
	// Section 3.6.2.
	return []float64{float64(w[0]), -45 + 175*float64(w[1])/65535, 100 * float64(w[2]) / 65535}, nil
}

// SCD30 measures CO2 every two seconds.
func SCD30(b *bus.Buses) drivers.Driver {
	return chip[*scdOptions]{
		name:     "scd30",
		summary:  "Sensirion SCD30: CO2, temperature, humidity",
		addrs:    []uint16{0x61},
		every:    10 * time.Second,
		channels: co2Channels(1, 40000),
		options:  func() *scdOptions { return &scdOptions{} },
		open: func(ctx context.Context, d *bus.Dev, o *scdOptions) (read, error) {
			// Interface description sections 1.4.2 to 1.4.8: interval, altitude, self
			// calibration, then start without pressure.
			for _, set := range [][2]uint16{{0x4600, 2}, {0x5102, uint16(o.Altitude)}, {0x5306, flag(o.SelfCal)}, {0x0010, 0}} {
				if err := command(ctx, d, set[0], set[1]); err != nil {
					return nil, err
				}
				if err := bus.Sleep(ctx, 20*time.Millisecond); err != nil {
					return nil, err
				}
			}
			f := &fresh{last: time.Now(), limit: 8 * time.Second}
			return func(ctx context.Context) ([]float64, error) { return readSCD30(ctx, d, f) }, nil
		},
	}.driver(b)
}

// readSCD30 takes three floating-point numbers of two words each. Sections 1.4.4, 1.4.5:
// 3 ms between command and answer.
func readSCD30(ctx context.Context, d *bus.Dev, f *fresh) ([]float64, error) {
	ready, err := ask(ctx, d, 4*time.Millisecond, 1, 0x0202)
	if err != nil {
		return nil, err
	}
	switch ready[0] {
	case 0:
		return nil, f.none()
	case 1:
	default:
		return nil, fmt.Errorf("data ready is %d, expected 0 or 1", ready[0])
	}
	w, err := ask(ctx, d, 4*time.Millisecond, 6, 0x0300)
	if err != nil {
		return nil, err
	}
	f.last = time.Now()
	out := floats(w)
	if out[0] == 0 { // the first value after a start
		return nil, nil
	}
	return out, nil
}

// floats makes IEEE 754 numbers of pairs of words.
func floats(w []uint16) []float64 {
	out := make([]float64, len(w)/2)
	for i := range out {
		out[i] = float64(math.Float32frombits(uint32(w[2*i])<<16 | uint32(w[2*i+1])))
	}
	return out
}

var errNotANumber = errors.New("the chip gives something that is not a number")

func particles(mass ...string) []drivers.Channel {
	var all []drivers.Channel
	for _, name := range mass {
		all = append(all, drivers.Channel{Name: name, Unit: "µg/m³", Min: 0, Max: 6553.5})
	}
	return all
}

// SPS30 measures dust.
func SPS30(b *bus.Buses) drivers.Driver {
	channels := particles("pm1_0", "pm2_5", "pm4_0", "pm10")
	for _, name := range []string{"nc0_5", "nc1_0", "nc2_5", "nc4_0", "nc10"} {
		channels = append(channels, drivers.Channel{Name: name, Unit: "1/cm³", Min: 0, Max: 100000})
	}
	channels = append(channels, drivers.Channel{Name: "size", Unit: "µm", Min: 0, Max: 100})
	return chip[*At]{
		name:     "sps30",
		summary:  "Sensirion SPS30: dust by mass and number",
		addrs:    []uint16{0x69},
		every:    10 * time.Second,
		channels: channels,
		options:  plain,
		open: func(ctx context.Context, d *bus.Dev, _ *At) (read, error) {
			// Start with floating-point numbers: section 6.3.1. Ready after 20 ms, first values
			// after a second. Its fan cleans itself once a week by default.
			if err := command(ctx, d, 0x0010, 0x0300); err != nil {
				return nil, err
			}
			if err := bus.Sleep(ctx, 20*time.Millisecond); err != nil {
				return nil, err
			}
			f := &fresh{last: time.Now(), limit: 5 * time.Second}
			return func(ctx context.Context) ([]float64, error) {
				ready, err := ask(ctx, d, time.Millisecond, 1, 0x0202)
				if err != nil {
					return nil, err
				}
				if ready[0]&0xff == 0 {
					return nil, f.none()
				}
				w, err := ask(ctx, d, time.Millisecond, 20, 0x0300)
				if err != nil {
					return nil, err
				}
				f.last = time.Now()
				out := floats(w)
				for _, v := range out {
					if math.IsNaN(v) {
						return nil, errNotANumber
					}
				}
				return out, nil
			}, nil
		},
	}.driver(b)
}

// SEN5x measures dust, and with it humidity, temperature, VOC (SEN54) and NOx (SEN55).
func SEN5x(b *bus.Buses) drivers.Driver {
	channels := append(particles("pm1_0", "pm2_5", "pm4_0", "pm10"), humidity(), temperature(-40, 85),
		drivers.Channel{Name: "voc_index", Min: 1, Max: 500}, drivers.Channel{Name: "nox_index", Min: 1, Max: 500})
	return chip[*At]{
		name:     "sen5x",
		summary:  "Sensirion SEN50, SEN54, SEN55: dust, humidity, temperature, VOC index, NOx index",
		addrs:    []uint16{0x69},
		every:    10 * time.Second,
		channels: channels,
		options:  plain,
		open: func(ctx context.Context, d *bus.Dev, _ *At) (read, error) {
			if err := command(ctx, d, 0x0021); err != nil { // start, section 6.1.1; 50 ms
				return nil, err
			}
			if err := bus.Sleep(ctx, 50*time.Millisecond); err != nil {
				return nil, err
			}
			f := &fresh{last: time.Now(), limit: 5 * time.Second}
			return func(ctx context.Context) ([]float64, error) { return readSEN5x(ctx, d, f) }, nil
		},
	}.driver(b)
}

// readSEN5x: section 6.1.4. What a variant does not measure, and what it does not know
// yet, is 0xffff or 0x7fff.
func readSEN5x(ctx context.Context, d *bus.Dev, f *fresh) ([]float64, error) {
	ready, err := ask(ctx, d, 20*time.Millisecond, 1, 0x0202)
	if err != nil {
		return nil, err
	}
	if ready[0]&0xff == 0 {
		return nil, f.none()
	}
	w, err := ask(ctx, d, 20*time.Millisecond, 8, 0x03c4)
	if err != nil {
		return nil, err
	}
	f.last = time.Now()
	out := make([]float64, len(w))
	for i, scale := range []float64{10, 10, 10, 10, 100, 200, 10, 10} {
		switch {
		case i < 4 && w[i] == 0xffff, i >= 4 && w[i] == 0x7fff:
			out[i] = math.NaN()
		case i < 4:
			out[i] = float64(w[i]) / scale
		default:
			out[i] = float64(int16(w[i])) / scale
		}
	}
	return out, nil
}
