package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// MCP9808 measures within 0.25 °C. DS25095A section 5.
func MCP9808(b *bus.Buses) drivers.Driver {
	return chip[*At]{
		name:     "mcp9808",
		summary:  "Microchip MCP9808: temperature within 0.25 °C",
		addrs:    span(0x18, 0x1f),
		every:    10 * time.Second,
		channels: []drivers.Channel{temperature(-40, 125)},
		options:  plain,
		open: func(ctx context.Context, d *bus.Dev, _ *At) (read, error) {
			maker, err := d.U16(ctx, 0x06)
			if err != nil {
				return nil, err
			}
			device, err := d.U16(ctx, 0x07)
			if err != nil {
				return nil, err
			}
			if maker != 0x0054 || device>>8 != 0x04 {
				return nil, wrongChip("mcp9808", uint32(device), nil)
			}
			// It converts on its own, and reads 0 °C until the first conversion is over (250 ms at
			// the highest resolution). A critical limit of 125 °C, which is 0 after power-on, is
			// the mark that it has been running since we set it.
			const critical, mark = 0x04, 0x07d0
			if err := d.Write16(ctx, critical, mark); err != nil {
				return nil, err
			}
			if err := bus.Sleep(ctx, 320*time.Millisecond); err != nil {
				return nil, err
			}
			return marked(d, 0x05, critical, 0xffff, mark, func(raw uint16) float64 {
				// Twelve bits and a sign; above are alert flags. Section 5.1.3.1.
				return float64(int16(raw<<3)>>3) / 16
			}), nil
		},
	}.driver(b)
}

// ADT7410 measures within 0.5 °C: ADT7410, ADT7420. Rev. A, register tables.
func ADT7410(b *bus.Buses) drivers.Driver {
	return chip[*At]{
		name:     "adt7410",
		summary:  "Analog Devices ADT7410, ADT7420: temperature",
		addrs:    span(0x48, 0x4b),
		every:    10 * time.Second,
		channels: []drivers.Channel{temperature(-55, 151)},
		options:  plain,
		open: func(ctx context.Context, d *bus.Dev, _ *At) (read, error) {
			id, err := d.U8(ctx, 0x0b)
			if err != nil {
				return nil, err
			}
			if id&0xf8 != 0xc8 { // below is the revision
				return nil, wrongChip("adt7410", uint32(id), nil)
			}
			const config, bits16 = 0x03, 0x80 // which is 0 after power-on
			if err := d.Write(ctx, config, bits16); err != nil {
				return nil, err
			}
			// 240 ms a conversion.
			if err := bus.Sleep(ctx, 320*time.Millisecond); err != nil {
				return nil, err
			}
			// The byte after the configuration is the high limit's, which is another matter.
			return marked(d, 0x00, config, 0xff00, bits16<<8, func(raw uint16) float64 {
				return float64(int16(raw)) / 128
			}), nil
		},
	}.driver(b)
}
