package chips

import (
	"context"
	"errors"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// MCP9808 measures within 0.25 °C. DS25095A section 5.
func MCP9808(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "mcp9808",
		Summary:   "Microchip MCP9808: temperature within 0.25 °C",
		Addresses: chip.Span(0x18, 0x1f),
		Every:     10 * time.Second,
		Channels:  []drivers.Channel{chip.Temperature(-40, 125)},
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			maker, err := d.U16(ctx, 0x06)
			if err != nil {
				return nil, err
			}
			device, err := d.U16(ctx, 0x07)
			if err != nil {
				return nil, err
			}
			if maker != 0x0054 || device>>8 != 0x04 {
				return nil, chip.WrongChip("mcp9808", uint32(device), nil)
			}
			// It converts on its own, and reads 0 °C until the first conversion is over (250 ms at
			// the highest resolution). A critical limit of 125 °C, which is 0 after power-on, is
			// the mark that it has been running since we set it.
			critical := setting{reg: 0x04, mask: 0x1ffc, want: 0x07d0}
			// Converting, not shut down (bit 8), with the highest resolution.
			modes := []setting{{0x01, false, 0x0100, 0}, {0x08, true, 0x03, 0x03}}
			if err := writeSettings(ctx, d, append(modes, critical)); err != nil {
				return nil, err
			}
			// Another program may have locked the limit that it has. That serves as well, if it is
			// another than after power-on. Register 5-2, bit 7.
			if critical.want, err = critical.read(ctx, d); err != nil {
				return nil, err
			}
			if critical.want &= critical.mask; critical.want == 0 {
				return nil, errors.New("its limits are locked by another program, so a reset would go unnoticed (try: cut its supply for a moment)")
			}
			if err := bus.Sleep(ctx, 320*time.Millisecond); err != nil {
				return nil, err
			}
			return marked(d, 0x05, append(modes, critical), func(raw uint16) float64 {
				// Twelve bits and a sign; above are alert flags. Section 5.1.3.1.
				return float64(int16(raw<<3)>>3) / 16
			}), nil
		},
	}.On(b)
}
