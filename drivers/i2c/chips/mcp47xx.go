package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

type mcp4725Options struct {
	chip.I2COptions
	levelOptions
}

// Check implements drivers.Checker.
func (o *mcp4725Options) Check() error {
	return chip.JoinErrors(o.I2COptions.Check(), o.levelOptions.Check())
}

// MCP4725 is an output of 12 bits: from 0 V to its supply. Command and answer as in
// esp-idf-lib's mcp4725, read. What it does after power-on is in its EEPROM, which is left
// alone: it wears.
func MCP4725(b *bus.Buses) drivers.Driver {
	return chip.Driver[*mcp4725Options]{
		Name:      "mcp4725",
		Summary:   "Microchip MCP4725: a voltage, from nothing to its supply",
		Addresses: chip.Span(0x60, 0x67),
		Every:     time.Second,
		Channels:  []drivers.Channel{level("output")},
		Options:   func() *mcp4725Options { return &mcp4725Options{} },
		OpenDevice: func(ctx context.Context, d *bus.Dev, o *mcp4725Options, _ chip.Config) (chip.Device, error) {
			return openLevels(ctx, &mcp4725{d: d}, []*outputLevel{{name: "output", o: &o.levelOptions}})
		},
	}.On(b)
}

type mcp4725 struct {
	d    *bus.Dev
	code uint16
}

const dacSteps = 1<<12 - 1

func (m *mcp4725) set(ctx context.Context, _ int, percent float64) error {
	m.code = code(percent, dacSteps)
	return m.d.Write(ctx, 0x40, byte(m.code>>4), byte(m.code<<4)) // not 0x60, which writes the EEPROM
}

// check reads three bytes: ready (bit 7) and how far it is switched off (bits 2, 1), then the
// code in the upper twelve bits.
func (m *mcp4725) check(ctx context.Context) error {
	b, err := m.d.Read(ctx, 3)
	if err != nil {
		return err
	}
	if b[0]&0x86 != 0x80 || uint16(b[1])<<4|uint16(b[2])>>4 != m.code || b[2]&0x0f != 0 {
		return chip.ErrReset
	}
	return nil
}

// MCP4728 has four of them. Commands and answer as in the kernel's mcp4728.c, read; the
// reference is the supply.
func MCP4728(b *bus.Buses) drivers.Driver {
	return several(b, "mcp4728", "Microchip MCP4728: four voltages, from nothing to its supply", chip.Span(0x60, 0x67), []string{"A", "B", "C", "D"}, chip.NoOptions,
		func(_ context.Context, d *bus.Dev, _ *chip.I2COptions) (converter, error) { return &mcp4728{d: d}, nil })
}

type mcp4728 struct {
	d    *bus.Dev
	code [4]uint16
	used [4]bool
}

func (m *mcp4728) set(ctx context.Context, output int, percent float64) error {
	m.code[output], m.used[output] = code(percent, dacSteps), true
	// Multi-write: without EEPROM, and at once (UDAC is 0).
	return m.d.Write(ctx, 0x40|byte(output)<<1, byte(m.code[output]>>8), byte(m.code[output]))
}

// check reads six bytes of each output, of which the first three are what it does: ready
// (bit 7) and its number (bits 5, 4), reference, power and gain above the code.
func (m *mcp4728) check(ctx context.Context) error {
	b, err := m.d.Read(ctx, 24)
	if err != nil {
		return err
	}
	for n, used := range m.used {
		got := b[6*n:]
		if used && (got[0]&0xb0 != 0x80|byte(n)<<4 || uint16(got[1])<<8|uint16(got[2]) != m.code[n]) {
			return chip.ErrReset
		}
	}
	return nil
}
