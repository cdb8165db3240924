package chips

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/spi/bus"
	"sensorgate/drivers/spi/chip"
)

// MCP3004 converts four voltages, 10 bits.
func MCP3004(b *bus.Buses) drivers.Driver { return mcp3xxx(b, "mcp3004", 4, 10, false) }

// MCP3008 converts eight voltages, 10 bits.
func MCP3008(b *bus.Buses) drivers.Driver { return mcp3xxx(b, "mcp3008", 8, 10, false) }

// MCP3204 converts four voltages, 12 bits.
func MCP3204(b *bus.Buses) drivers.Driver { return mcp3xxx(b, "mcp3204", 4, 12, false) }

// MCP3208 converts eight voltages, 12 bits.
func MCP3208(b *bus.Buses) drivers.Driver { return mcp3xxx(b, "mcp3208", 8, 12, false) }

// MCP3302 converts four voltages against ground, 12 bits, or two differences, 13 with the sign.
func MCP3302(b *bus.Buses) drivers.Driver { return mcp3xxx(b, "mcp3302", 4, 13, true) }

// MCP3304 converts eight voltages against ground, 12 bits, or four differences, 13 with the sign.
func MCP3304(b *bus.Buses) drivers.Driver { return mcp3xxx(b, "mcp3304", 8, 13, true) }

// mcpInput is one of the user's channels.
type mcpInput struct {
	Input     string       `toml:"input" required:"true" example:"\"0\"" doc:"The input, 0 to 7 against ground (mcp3004, mcp3204, mcp3302: 0 to 3), or a pair: 0-1, 1-0, 2-3 and so on."`
	Reference adapter.Volt `toml:"reference" required:"true" example:"\"3.3V\"" doc:"The voltage at the chip's VREF: \"3.3V\"."`

	inputs []string
}

// Check implements drivers.Checker.
func (o *mcpInput) Check() error {
	var errs []error
	if !slices.Contains(o.inputs, o.Input) {
		errs = append(errs, &drivers.KeyError{Key: "input", Problem: fmt.Sprintf("found %q", o.Input), Expected: strings.Join(o.inputs, ", ")})
	}
	if o.Reference < 0.25 || o.Reference > 7 {
		errs = append(errs, &drivers.KeyError{Key: "reference", Problem: fmt.Sprintf("found %g V", o.Reference), Expected: "0.25V to 7V", Try: `reference = "3.3V"`})
	}
	return adapter.JoinErrors(errs...)
}

// Outputs implements drivers.Outputter.
func (o *mcpInput) Outputs() []drivers.Channel { return []drivers.Channel{{Unit: "V"}} }

// mcpInputs are the names of n inputs, single and in pairs, by their code.
func mcpInputs(n int) (single, pairs []string) {
	for i := range n {
		single = append(single, fmt.Sprint(i))
		pairs = append(pairs, fmt.Sprintf("%d-%d", i, i^1))
	}
	return single, pairs
}

func mcp3xxx(b *bus.Buses, name string, inputs, bits int, signed bool) drivers.Driver {
	single, pairs := mcpInputs(inputs)
	return chip.Driver[*chip.SPIOptions]{
		Name:           name,
		Summary:        fmt.Sprintf("Microchip %s: %d voltages, %d bits", strings.ToUpper(name), inputs, bits),
		Hertz:          1_000_000, // at 2.7 V: DS21295, DS21298 and DS21697, "Electrical characteristics"
		Every:          2 * time.Second,
		Options:        chip.NoOptions,
		ChannelOptions: func() any { return &mcpInput{inputs: append(single, pairs...)} },
		Open: func(_ context.Context, d *bus.Dev, _ *chip.SPIOptions, c drivers.DeviceConfig) (adapter.Device, error) {
			if len(c.Channels) == 0 {
				return nil, errors.New(`no channels (try: level = { input = "0", reference = "3.3V" })`)
			}
			return &mcp{d, bits, signed, single, pairs, c.Channels}, nil
		},
	}.On(b)
}

type mcp struct {
	d             *bus.Dev
	bits          int
	signed        bool     // the first of bits is the sign
	single, pairs []string // names, by code
	channels      []drivers.ChannelConfig
}

// Poll implements adapter.Device.
func (m *mcp) Poll(ctx context.Context) ([]drivers.Reading, error) {
	var rs []drivers.Reading
	for _, c := range m.channels {
		o := c.Options.(*mcpInput)
		code, err := m.convert(ctx, o.Input)
		if err != nil {
			return nil, err
		}
		unit := c.Unit
		if unit == "" {
			unit = "V"
		}
		volts := float64(code) * float64(o.Reference) / float64(m.full())
		rs = append(rs, drivers.Reading{Channel: c.Name, Unit: unit, Value: drivers.Number(volts), Time: time.Now()})
	}
	return rs, nil
}

// full is the code that the reference would have.
func (m *mcp) full() int {
	if m.signed {
		return 1 << (m.bits - 1)
	}
	return 1 << m.bits
}

// convert reads one input: a start bit, single or pair, three bits of its number; then,
// after a null bit, the code. The bits are placed so that the code ends with the third
// byte. DS21295 figure 6-1, DS21298 figure 6-1, DS21697 "Serial communication"; on the wire of an MCP3008: 01 80 00.
func (m *mcp) convert(ctx context.Context, input string) (int, error) {
	ask := uint32(0b11)<<3 | uint32(max(slices.Index(m.single, input), 0))
	if pair := slices.Index(m.pairs, input); pair >= 0 {
		ask = 0b10<<3 | uint32(pair)
	}
	ask <<= m.bits + 2
	r, err := m.d.Transfer(ctx, byte(ask>>16), byte(ask>>8), byte(ask))
	if err != nil {
		return 0, err
	}
	got := int(r[0])<<16 | int(r[1])<<8 | int(r[2])
	if got>>m.bits&1 != 0 { // which a chip pulls low, and nobody does where there is none
		return 0, fmt.Errorf("%w: no null bit before the result (wired? powered? the right select?)", drivers.ErrNoAnswer)
	}
	code := got & (1<<m.bits - 1)
	if m.signed && code >= m.full() {
		code -= 1 << m.bits
	}
	return code, nil
}
