package chips

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"periph.io/x/conn/v3/spi"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/spi/bus"
	"sensorgate/drivers/spi/chip"
)

type mcp355xOptions struct {
	chip.SPIOptions
	Reference adapter.Volt `toml:"reference" required:"true" example:"\"2.5V\"" doc:"The voltage at the chip's VREF: \"2.5V\"."`
}

// Check implements drivers.Checker.
func (o *mcp355xOptions) Check() error {
	var err error
	if o.Reference != 0 && (o.Reference < 0.1 || o.Reference > 5.5) {
		err = &drivers.KeyError{Key: "reference", Problem: fmt.Sprintf("found %g V", o.Reference), Expected: "0.1V to 5.5V", Try: `reference = "2.5V"`}
	}
	return adapter.JoinErrors(o.SPIOptions.Check(), err)
}

// MCP3550 converts the difference of two voltages, 22 bits: MCP3550-50 and MCP3550-60. How long
// a conversion takes is what the kernel's mcp320x.c waits, with its margins; read.
func MCP3550(b *bus.Buses) drivers.Driver { return mcp355x(b, "mcp3550", 70*time.Millisecond) }

// MCP3551 is an MCP3550 that rejects 50 and 60 Hz at once.
func MCP3551(b *bus.Buses) drivers.Driver { return mcp355x(b, "mcp3551", 76*time.Millisecond) }

// MCP3553 is an MCP3550 that converts in 17 ms and rejects nothing.
func MCP3553(b *bus.Buses) drivers.Driver { return mcp355x(b, "mcp3553", 19*time.Millisecond) }

func mcp355x(b *bus.Buses, name string, takes time.Duration) drivers.Driver {
	channels := []drivers.Channel{{Name: "voltage", Unit: "V", Min: -1.13 * 5.5, Max: 1.13 * 5.5}} // 12 % beyond the reference
	return chip.Driver[*mcp355xOptions]{
		Name:     name,
		Summary:  "Microchip " + string(bytes.ToUpper([]byte(name))) + ": the difference of two voltages, 22 bits",
		Mode:     spi.Mode3, // in which the answer has 24 bits: DS21950 section 5
		Hertz:    1_000_000,
		Every:    2 * time.Second,
		Channels: channels,
		Options:  func() *mcp355xOptions { return &mcp355xOptions{} },
		Open: func(_ context.Context, d *bus.Dev, o *mcp355xOptions, _ drivers.DeviceConfig) (adapter.Device, error) {
			return adapter.Numbers(channels, func(ctx context.Context) ([]float64, error) {
				code, err := convertMCP355x(ctx, d, takes)
				return []float64{float64(code) * float64(o.Reference) / (1 << 21)}, err
			}), nil
		},
	}.On(b)
}

// mcp355xBusy is what is read during a conversion: the line stays high, and nothing is clocked
// out. DS21950 section 5.3.
var mcp355xBusy = []byte{0xff, 0xff, 0xff}

// convertMCP355x makes one conversion. It begins when the select falls, unless a result lies
// there, which is read once and gone; in one under way the select changes nothing.
func convertMCP355x(ctx context.Context, d *bus.Dev, takes time.Duration) (int, error) {
	r, err := d.Read(ctx, 3)
	if err == nil && !bytes.Equal(r, mcp355xBusy) { // of a conversion that nobody waited for
		r, err = d.Read(ctx, 3)
	}
	if err != nil {
		return 0, err
	}
	if !bytes.Equal(r, mcp355xBusy) {
		return 0, fmt.Errorf("%w: it does not begin to convert (wired? powered? the right select?)", drivers.ErrNoAnswer)
	}
	if err := bus.Sleep(ctx, takes); err != nil {
		return 0, err
	}
	// Up to twice as long again: for the MCP3550-50, and for a chip whose power dipped, which begins
	// only now.
	for range 12 {
		if r, err = d.Read(ctx, 3); err != nil {
			return 0, err
		}
		if !bytes.Equal(r, mcp355xBusy) {
			return decodeMCP355x(r)
		}
		if err := bus.Sleep(ctx, takes/6); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("%w (wired? powered? the right select?)", adapter.ErrNoData)
}

// decodeMCP355x returns the code, 2^21 being the reference: two bits that it is above or below
// that, then 22 bits. DS21950 section 5.1; beyond, these two are the sign.
func decodeMCP355x(r []byte) (int, error) {
	const low, high, bits = 1 << 23, 1 << 22, 1<<22 - 1
	raw := int(r[0])<<16 | int(r[1])<<8 | int(r[2])
	code := raw & bits
	switch {
	case raw&low != 0 && raw&high != 0:
		return 0, errors.New("it is above and below its range at once (a bad connection?)")
	case raw&high != 0:
	case raw&low != 0, code >= 1<<21:
		code -= 1 << 22
	}
	return code, nil
}
