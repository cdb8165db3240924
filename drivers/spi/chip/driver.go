// Package chip is the frame that every driver of an SPI chip fits into, on package
// adapter, as package i2c/chip is for I2C. SPI has no acknowledgement, so a chip that is
// not there must be known by what it answers: NothingThere is for that.
package chip

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"periph.io/x/conn/v3/spi"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/spi/bus"
)

// Driver is everything about a chip that is its own. O is a pointer to its options, a
// struct that embeds SPIOptions; *SPIOptions itself for a chip without options.
type Driver[O Options] struct {
	Name    string
	Summary string
	Mode    spi.Mode
	Hertz   uint32 // the fastest that it is used at; the option speed makes it slower
	// Settings is instead of Mode and Hertz where they follow from the options.
	Settings       func(O) bus.Settings
	Every          time.Duration
	Channels       []drivers.Channel
	Needs          map[string][]string // see adapter.Spec
	Options        func() O
	ChannelOptions func() any
	// Open sets the chip up. It is called again after any error, so it must not rely on what
	// it did before.
	Open func(ctx context.Context, d *bus.Dev, o O, c drivers.DeviceConfig) (adapter.Device, error)
}

// On makes the entry for the table of hardware: the driver of this chip on these buses.
func (c Driver[O]) On(b *bus.Buses) drivers.Driver {
	return drivers.Driver{
		Name: c.Name, Summary: c.Summary, Every: c.Every,
		Channels: c.Channels, ChannelOptions: c.ChannelOptions,
		Options: func() any {
			o := c.Options()
			o.spi().highest = c.Hertz
			return o
		},
		Open: func(ctx context.Context, dc drivers.DeviceConfig) (any, error) {
			o, ok := dc.Options.(O)
			if !ok {
				return nil, fmt.Errorf("%s: options of type %T", c.Name, dc.Options)
			}
			settings := bus.Settings{Mode: c.Mode, Hertz: c.Hertz}
			if c.Settings != nil {
				settings = c.Settings(o)
			}
			if o.spi().Speed != 0 {
				settings.Hertz = uint32(o.spi().Speed)
			}
			d := b.Dev(o.spi().SPI, settings)
			return adapter.Open(ctx, adapter.Spec{Name: c.Name, Channels: c.Channels, Needs: c.Needs}, dc,
				func(ctx context.Context) (adapter.Device, adapter.Place, error) {
					dev, err := c.Open(ctx, d, o, dc)
					return dev, d, d.At(err)
				})
		},
	}
}

// SPIOptions are the options that every chip has.
type SPIOptions struct {
	SPI   bus.Addr `toml:"spi" required:"true" example:"\"0.0\"" doc:"The bus.select: \"0.0\" is /dev/spidev0.0."`
	Speed int      `toml:"speed" example:"500000" doc:"The clock in Hz, for long wires; default: the fastest that the chip is used at."`

	highest uint32
}

// Options is a pointer to a struct that embeds SPIOptions.
type Options interface{ spi() *SPIOptions }

func (o *SPIOptions) spi() *SPIOptions { return o }

// NoOptions is Driver.Options of a chip without options of its own.
func NoOptions() *SPIOptions { return &SPIOptions{} }

// Check implements drivers.Checker.
func (o *SPIOptions) Check() error { return CheckSpeed(o.Speed, o.highest) }

// CheckSpeed looks at an option speed in Hz; 0 is that it was not given, and that the chip
// has no highest.
func CheckSpeed(speed int, highest uint32) error {
	if speed != 0 && (speed < 1000 || highest != 0 && speed > int(highest)) {
		return &drivers.KeyError{Key: "speed", Problem: fmt.Sprintf("found %d Hz", speed), Expected: fmt.Sprintf("1000 to %d", highest)}
	}
	return nil
}

// SetSelect sets where the chip is, for tests and tools that make options themselves.
func (o *SPIOptions) SetSelect(a bus.Addr) { o.SPI = a }

// Claims implements drivers.Claimer.
func (o *SPIOptions) Claims() []drivers.Claim {
	return []drivers.Claim{{Kind: "spi", ID: o.SPI.String(), Key: "spi"}}
}

// NothingThere returns an error if b is all zeros or all ones: what an input reads that no
// chip drives, or a supply that is off. It is for answers that a chip never gives so.
func NothingThere(b []byte) error {
	for _, v := range []byte{0x00, 0xff} {
		if bytes.Count(b, []byte{v}) == len(b) {
			return fmt.Errorf("%w: reads only 0x%02x (wired? powered? the right select?)", drivers.ErrNoAnswer, v)
		}
	}
	return nil
}
