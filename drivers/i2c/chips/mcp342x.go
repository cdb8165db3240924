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

// MCP3421 converts one voltage, 18 bits. DS22003.
func MCP3421(b *bus.Buses) drivers.Driver {
	return mcp342x(b, "mcp3421", "Microchip MCP3421: one voltage, 18 bits", 1)
}

// MCP3424 converts two voltages or four, 18 bits: MCP3422, MCP3423, MCP3424. DS22088.
func MCP3424(b *bus.Buses) drivers.Driver {
	return mcp342x(b, "mcp3424", "Microchip MCP3422, MCP3423, MCP3424: two or four voltages, 18 bits", 4)
}

// mcp342xInput is one of the user's channels.
type mcp342xInput struct {
	Input int `toml:"input" doc:"The input, 1 to 4: the pair CH1+ and CH1-, and so on; an MCP3421 has one."`
	Gain  int `toml:"gain" doc:"The gain, 1, 2, 4 or 8: full scale is 2.048 V divided by it."`

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

func mcp342x(b *bus.Buses, name, summary string, number int) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:           name,
		Summary:        summary,
		Addresses:      chip.Span(0x68, 0x6f),
		Every:          5 * time.Second,
		Options:        chip.NoOptions,
		ChannelOptions: func() any { return &mcp342xInput{Input: 1, Gain: 1, inputs: number} },
		OpenDevice: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions, config chip.Config) (chip.Device, error) {
			if len(config.Channels) == 0 {
				return nil, errors.New(`no channels (try: level = { input = 1 })`)
			}
			_, err := d.Read(ctx, 1)
			return inputs{config.Channels, "V", mcp342xDevice{d}.convert}, err
		},
	}.On(b)
}

type mcp342xDevice struct{ d *bus.Dev }

// convert runs one conversion of 18 bits, 3.75 a second. DS22088 section 5.2: the answer is
// three bytes and the configuration, whose bit 7 is zero when it is over.
func (m mcp342xDevice) convert(ctx context.Context, options any) (float64, error) {
	o := options.(*mcp342xInput)
	const start, bits18 = 0x80, 0x0c
	config := byte(o.Input-1)<<5 | bits18 | byte(slices.Index(mcp342xGains, o.Gain))
	if err := m.d.Write(ctx, start|config); err != nil {
		return 0, err
	}
	wait := 300 * time.Millisecond
	for range 5 {
		if err := bus.Sleep(ctx, wait); err != nil {
			return 0, err
		}
		b, err := m.d.Read(ctx, 4)
		if err != nil {
			return 0, err
		}
		switch {
		case b[3]&^start != config: // after power-on: 12 bits, all the time
			return 0, chip.ErrReset
		case b[3]&start != 0:
			wait = 20 * time.Millisecond
			continue
		}
		code := int32(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8) >> 8
		if code == 1<<17-1 || code == -1<<17 {
			return 0, errBeyond
		}
		return float64(code) * 15.625e-6 / float64(o.Gain), nil
	}
	return 0, chip.ErrNoData
}
