package chip

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/i2c/bus"
	spibus "sensorgate/drivers/spi/bus"
)

// Driver is everything about a chip that is its own. O is a pointer to its options, a
// struct that embeds I2COptions; *I2COptions itself for a chip without options.
type Driver[O Options] struct {
	Name      string   // in the configuration: driver = "bme280"
	Summary   string   // one line for people
	Addresses []uint16 // that the chip can have, the usual one first; nil: any
	Every     time.Duration
	Channels  []drivers.Channel
	Options   func() O // with their defaults
	// Needs names, for a channel, those that it is computed with: where they are wrong, so
	// is it. "pressure": {"temperature"}.
	Needs map[string][]string
	// ChannelOptions is for chips whose channels the user names; see drivers.Driver.
	ChannelOptions func() any
	// Open sets the chip up. It is called again after any error, so it must not rely on
	// what it did before.
	Open func(ctx context.Context, d *bus.Dev, o O) (Read, error)
	// OpenDevice is instead of Open for chips that return more than a list of numbers.
	OpenDevice func(ctx context.Context, d *bus.Dev, o O, c Config) (Device, error)
	// Sample is for chips that must be asked at a rate of their own, such as gas sensors;
	// what they measure is reported at the device's interval.
	Sample time.Duration
	// IRQ is the chip's interrupt pin, of one whose options embed InterruptOptions, or
	// ReadyPin.
	IRQ IRQ
	// SPI is how the chip is talked to where it is wired to SPI; its options embed
	// EitherOptions then. nil: it is on I2C only.
	SPI *SPI
}

// IRQ is an interrupt pin.
type IRQ struct {
	High   bool          // active when its level is high
	Settle time.Duration // after an edge, before the chip may be asked
	// Ready is that it says that a measurement is there: with it the chip measures on its own,
	// and Read returns what is there, or nothing if that was read before.
	Ready bool
}

// Config is what a chip is opened with. Keep survives reopening after an error, but no
// restart.
type Config struct {
	drivers.DeviceConfig
	Keep map[string]any
}

// On makes the entry for the table of hardware: the driver of this chip on these buses.
func (c Driver[O]) On(b *bus.Buses) drivers.Driver { return c.OnEither(b, nil) }

// OnEither is On for a chip that can be on SPI too.
func (c Driver[O]) OnEither(b *bus.Buses, s *spibus.Buses) drivers.Driver {
	return drivers.Driver{
		Name:           c.Name,
		Summary:        c.Summary,
		Every:          c.Every,
		Channels:       c.Channels,
		ChannelOptions: c.ChannelOptions,
		Options: func() any {
			o := c.Options()
			k := known{driver: c.Name, addrs: c.Addresses}
			if c.SPI != nil {
				k.hertz = c.SPI.Hertz
			}
			o.know(k)
			return o
		},
		Open: func(ctx context.Context, dc drivers.DeviceConfig) (any, error) {
			o, ok := dc.Options.(O)
			if !ok {
				return nil, fmt.Errorf("%s: options of type %T", c.Name, dc.Options)
			}
			config := Config{dc, map[string]any{}}
			spec := adapter.Spec{Name: c.Name, Channels: c.Channels, Needs: c.Needs, Sample: c.Sample}
			if w, ok := any(o).(interface{ irq() string }); ok && w.irq() != "" {
				spec.Interrupt = &adapter.Interrupted{Settle: c.IRQ.Settle, Ready: c.IRQ.Ready, Open: func() (drivers.Interrupt, error) {
					return b.Line(dc.Device, w.irq(), c.IRQ.High)
				}}
			}
			return adapter.Open(ctx, spec, dc, func(ctx context.Context) (Device, adapter.Place, error) {
				d, err := c.dev(ctx, b, s, o.place())
				if err != nil {
					return nil, nil, err
				}
				dev, err := c.start(ctx, d, o, config)
				if err != nil {
					return nil, nil, d.At(err)
				}
				return dev, d, nil
			})
		},
	}
}

// dev returns the chip on the bus that it is on.
func (c Driver[O]) dev(ctx context.Context, b *bus.Buses, s *spibus.Buses, at place) (*bus.Dev, error) {
	if at.spi == nil {
		return b.Dev(at.i2c)
	}
	return c.SPI.open(ctx, s, *at.spi, at.hertz)
}

// start opens the chip in whichever of the two ways it has.
func (c Driver[O]) start(ctx context.Context, d *bus.Dev, o O, config Config) (Device, error) {
	if c.OpenDevice != nil {
		return c.OpenDevice(ctx, d, o, config)
	}
	read, err := c.Open(ctx, d, o)
	if err != nil {
		return nil, err
	}
	return Numbers(c.Channels, read), nil
}
