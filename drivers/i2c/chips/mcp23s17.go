package chips

import (
	"context"
	"fmt"
	"time"

	"periph.io/x/conn/v3/spi"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/i2c/chip"
	spibus "sensorgate/drivers/spi/bus"
	spichip "sensorgate/drivers/spi/chip"
)

type mcp23s17Options struct {
	spichip.SPIOptions
	Address int `toml:"address" example:"1" doc:"The pins A0 to A2 as a number, 0 to 7, for several chips on one select."`
}

// Check implements drivers.Checker.
func (o *mcp23s17Options) Check() error {
	var err error
	if o.Address < 0 || o.Address > 7 {
		err = &drivers.KeyError{Key: "address", Problem: fmt.Sprintf("found %d", o.Address), Expected: "0 to 7"}
	}
	return adapter.JoinErrors(o.SPIOptions.Check(), err)
}

// Claims implements drivers.Claimer: a select may have eight chips.
func (o *mcp23s17Options) Claims() []drivers.Claim {
	return []drivers.Claim{{Kind: "spi", ID: fmt.Sprintf("%s/%d", o.SPI, o.Address), Key: "spi"}, {Kind: "spi", ID: o.SPI.String(), Key: "spi", Shared: true}}
}

// MCP23S17 is the MCP23017 on SPI. DS20001952 section 3.3.2: each transfer begins with
// 0100, the address and the bit for reading. Until HAEN (IOCON bit 3) is set, which is kept
// set, all chips on a select answer to address 0.
func MCP23S17(s *spibus.Buses) drivers.Driver {
	const enableAddress = 0x08
	names := append(pinNames("A", 8), pinNames("B", 8)...)
	return spichip.Driver[*mcp23s17Options]{
		Name:    "mcp23s17",
		Summary: "Microchip MCP23S17: 16 inputs and outputs on SPI",
		Mode:    spi.Mode0,
		Hertz:   10_000_000, // at 2.7 V and more: section 1.2
		Every:   time.Second,
		Options: func() *mcp23s17Options { return &mcp23s17Options{} },
		ChannelOptions: func() any {
			return &pinOptions{Active: "high", Start: "off", names: names, pulls: true}
		},
		Open: func(ctx context.Context, d *spibus.Dev, o *mcp23s17Options, config drivers.DeviceConfig) (adapter.Device, error) {
			op := byte(0x40 | o.Address<<1)
			dev := chip.OverSPI(d, chip.Framing{Blank: true, Frame: func(w []byte, n int) (send []byte, skip int) {
				send = append([]byte{op}, w...)
				if n > 0 {
					send[0] |= 1
				}
				return append(send, make([]byte, n)...), len(send)
			}})
			x := &registered{d: dev, dir: 0x00, output: 0x14, input: 0x12, polarity: 0x02, pull: 0x0c, configs: []byte{0x05, 0x0a}, config: enableAddress}
			// A chip after power-on takes address 0, one that another program has used its own.
			for _, to := range []byte{0x40, op} {
				for _, at := range x.configs {
					if _, err := d.Transfer(ctx, to, at, enableAddress); err != nil {
						return nil, err
					}
				}
			}
			got, err := dev.Reg(ctx, x.configs[1], 1)
			if err == nil {
				err = spichip.NothingThere(got)
			}
			if err != nil {
				return nil, err
			}
			return openExpander(ctx, x, names, config.Channels)
		},
	}.On(s)
}
