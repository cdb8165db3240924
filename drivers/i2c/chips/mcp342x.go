package chips

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// deltaSigma is a converter that has no registers: what is written is its configuration, and
// what is read the code with the configuration behind it.
type deltaSigma struct {
	name   string
	first  uint16 // of its eight addresses
	inputs int
	bits   int  // of the code
	config byte // one conversion on demand, of so many bits
	takes  time.Duration
}

// MCP3421 converts one voltage, 18 bits. DS22003.
func MCP3421(b *bus.Buses) drivers.Driver {
	return deltaSigma{"mcp3421", 0x68, 1, 18, 0x0c, 300 * time.Millisecond}.on(b, "Microchip MCP3421: one voltage, 18 bits")
}

// MCP3424 converts two voltages or four, 18 bits: MCP3422, MCP3423, MCP3424. DS22088.
func MCP3424(b *bus.Buses) drivers.Driver {
	return deltaSigma{"mcp3424", 0x68, 4, 18, 0x0c, 300 * time.Millisecond}.on(b, "Microchip MCP3422, MCP3423, MCP3424: two or four voltages, 18 bits")
}

// ADS1110 converts one voltage, 16 bits in 67 ms. Configuration and steps as in libdriver's
// ads1110 and Matalon's ADS1110, read.
func ADS1110(b *bus.Buses) drivers.Driver {
	return deltaSigma{"ads1110", 0x48, 1, 16, 0x1c, 80 * time.Millisecond}.on(b, "TI ADS1110: one voltage, 16 bits")
}

// mcp342xInput is one of the user's channels.
type mcp342xInput struct {
	Input int `toml:"input" example:"2" doc:"The input, 1 to 4: the pair CH1+ and CH1-, and so on; an MCP3421 and an ADS1110 have one."`
	Gain  int `toml:"gain" example:"4" doc:"The gain, 1, 2, 4 or 8: full scale is 2.048 V divided by it."`

	inputs int
}

var mcp342xGains = []int{1, 2, 4, 8}

// Check implements drivers.Checker.
func (o *mcp342xInput) Check() error {
	var errs []error
	if o.Input < 1 || o.Input > o.inputs {
		errs = append(errs, &drivers.KeyError{Key: "input", Problem: fmt.Sprintf("found %d", o.Input), Expected: fmt.Sprintf("1 to %d", o.inputs)})
	}
	if !slices.Contains(mcp342xGains, o.Gain) {
		errs = append(errs, &drivers.KeyError{Key: "gain", Problem: fmt.Sprintf("found %d", o.Gain), Expected: "1, 2, 4 or 8"})
	}
	return chip.JoinErrors(errs...)
}

// Outputs implements drivers.Outputter.
func (o *mcp342xInput) Outputs() []drivers.Channel { return []drivers.Channel{{Unit: "V"}} }

func (c deltaSigma) on(b *bus.Buses, summary string) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:           c.name,
		Summary:        summary,
		Addresses:      chip.Span(c.first, c.first+7),
		Every:          5 * time.Second,
		Options:        chip.NoOptions,
		ChannelOptions: func() any { return &mcp342xInput{Input: 1, Gain: 1, inputs: c.inputs} },
		OpenDevice: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions, config chip.Config) (chip.Device, error) {
			if len(config.Channels) == 0 {
				return nil, errors.New(`no channels (try: level = { input = 1 })`)
			}
			_, err := d.Read(ctx, 1)
			return inputs{config.Channels, "V", mcp342xDevice{d, c}.convert}, err
		},
	}.On(b)
}

type mcp342xDevice struct {
	d *bus.Dev
	deltaSigma
}

// convert runs one conversion. DS22088 section 5.2: the answer is the code, high byte first,
// and the configuration, whose bit 7 is zero when it is over. Full scale is 2.048 V.
func (m mcp342xDevice) convert(ctx context.Context, options any) (float64, error) {
	o := options.(*mcp342xInput)
	const start = 0x80
	config := byte(o.Input-1)<<5 | m.config | byte(slices.Index(mcp342xGains, o.Gain))
	if err := m.d.Write(ctx, start|config); err != nil {
		return 0, err
	}
	size, wait := (m.bits+7)/8, m.takes
	for range 5 {
		if err := bus.Sleep(ctx, wait); err != nil {
			return 0, err
		}
		b, err := m.d.Read(ctx, size+1)
		if err != nil {
			return 0, err
		}
		switch {
		case b[size]&^start != config: // after power-on: all the time, or fewer bits
			return 0, chip.ErrReset
		case b[size]&start != 0:
			wait = 20 * time.Millisecond
			continue
		}
		code, full := top(b[:size])>>(32-8*size), int32(1)<<(m.bits-1)
		if code == full-1 || code == -full {
			return 0, errBeyond
		}
		return float64(code) * 2.048 / float64(full) / float64(o.Gain), nil
	}
	return 0, chip.ErrNoData
}
