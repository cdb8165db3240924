package chips

import (
	"context"
	"fmt"
	"time"

	"periph.io/x/conn/v3/spi"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
	spibus "sensorgate/drivers/spi/bus"
	spichip "sensorgate/drivers/spi/chip"
)

// describedSPIOptions describe a chip on SPI that there is no driver for.
type describedSPIOptions struct {
	spichip.SPIOptions
	Mode   int  `toml:"mode" example:"1" doc:"The clock polarity and phase, 0 to 3, as the data sheet says."`
	Duplex bool `toml:"duplex" doc:"Whether at and length count from the first byte that is written, for chips that answer while they are asked; default: from after write."`
	Zeros  bool `toml:"zeros" doc:"Whether an answer of only zeros or only ones may be right; default: it is no chip, unless id or settings have shown one."`
	description
}

// describedSPIHertz is the clock of a chip of which only its user knows how fast it may be
// talked to: slow enough for all.
const describedSPIHertz = 500_000

// Check implements drivers.Checker.
func (o *describedSPIOptions) Check() error {
	errs := []error{o.SPIOptions.Check(), o.description.check()}
	if o.Mode < 0 || o.Mode > 3 {
		errs = append(errs, &drivers.KeyError{Key: "mode", Problem: fmt.Sprintf("found %d", o.Mode), Expected: "0 to 3"})
	}
	if o.Duplex && o.Length < len(o.Write) {
		errs = append(errs, &drivers.KeyError{Key: "length", Problem: fmt.Sprintf("found %d, and write has %d bytes", o.Length, len(o.Write)), Expected: "with duplex: all bytes of the transfer"})
	}
	if o.Duplex && o.Wait != 0 {
		errs = append(errs, &drivers.KeyError{Key: "wait", Problem: "cannot be with duplex, which is one transfer"})
	}
	return chip.JoinErrors(errs...)
}

// DescribedSPI is driver = "spi": a chip described in the configuration.
func DescribedSPI(s *spibus.Buses) drivers.Driver {
	return spichip.Driver[*describedSPIOptions]{
		Name:           "spi",
		Summary:        "a chip on SPI described in the configuration: what to write, what to read, where the numbers are",
		Every:          10 * time.Second,
		Options:        func() *describedSPIOptions { return &describedSPIOptions{} },
		ChannelOptions: func() any { return &describedChannel{} },
		Settings: func(o *describedSPIOptions) spibus.Settings {
			return spibus.Settings{Mode: spi.Mode(o.Mode), Hertz: describedSPIHertz}
		},
		Open: func(ctx context.Context, d *spibus.Dev, o *describedSPIOptions, config drivers.DeviceConfig) (adapter.Device, error) {
			return openDescribed(ctx, o.dev(d), &o.description, config)
		},
	}.On(s)
}

// dev makes the chip one that is written to and read from as if on I2C.
func (o *describedSPIOptions) dev(d *spibus.Dev) *bus.Dev {
	return chip.OverSPI(d, chip.Framing{
		Frame: func(w []byte, n int) (send []byte, skip int) {
			if o.Duplex && n >= len(w) {
				return append(w[:len(w):len(w)], make([]byte, n-len(w))...), 0
			}
			return append(w[:len(w):len(w)], make([]byte, n)...), len(w)
		},
		Blank: o.Zeros || o.ID != nil || o.Settings != nil,
	})
}
