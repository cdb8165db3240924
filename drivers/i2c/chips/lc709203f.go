package chips

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// LC709203F guesses how full a lithium cell is, from its voltage. Registers, scales and the
// checksum over address, register and answer as in RIOT's lc709203f, read. What it was set to
// for the kind and size of the cell (registers 0x0b and 0x12) is left as it is.
func LC709203F(b *bus.Buses) drivers.Driver {
	const (
		voltage, charge, mode = 0x09, 0x0f, 0x15 // mV; 0.1 % to empty; 1 measures, 2 sleeps
		measures              = 1
	)
	return chip.Driver[*chip.I2COptions]{
		Name:      "lc709203f",
		Summary:   "ON Semiconductor LC709203F: charge of a lithium cell",
		Addresses: []uint16{0x0b},
		Every:     30 * time.Second,
		Channels:  []drivers.Channel{{Name: "voltage", Unit: "V", Min: 0, Max: 5}, {Name: "charge", Unit: "%", Min: 0, Max: 100}},
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			if err := lcWrite(ctx, d, mode, measures); err != nil {
				return nil, err
			}
			if err := bus.Sleep(ctx, 100*time.Millisecond); err != nil {
				return nil, err
			}
			return func(ctx context.Context) ([]float64, error) {
				var raw [3]uint16
				for i, reg := range []byte{voltage, charge, mode} {
					var err error
					if raw[i], err = lcRead(ctx, d, reg); err != nil {
						return nil, err
					}
				}
				switch {
				case raw[2] != measures:
					return nil, chip.ErrReset
				case raw[0] == 0:
					return nil, fmt.Errorf("%w: the cell has no voltage (is it connected?)", drivers.ErrNoAnswer)
				}
				return []float64{float64(raw[0]) / 1000, float64(raw[1]) / 10}, nil
			}, nil
		},
	}.On(b)
}

// lcRead reads a word, low byte first, with the checksum of the whole transfer.
func lcRead(ctx context.Context, d *bus.Dev, reg byte) (uint16, error) {
	b, err := d.Reg(ctx, reg, 3)
	if err != nil {
		return 0, err
	}
	addr := byte(d.Addr().Chip << 1)
	if want := byte(crcSMBus.Of([]byte{addr, reg, addr | 1, b[0], b[1]})); b[2] != want {
		return 0, fmt.Errorf("checksum of register 0x%02x is 0x%02x, expected 0x%02x", reg, b[2], want)
	}
	return uint16(b[1])<<8 | uint16(b[0]), nil
}

func lcWrite(ctx context.Context, d *bus.Dev, reg byte, v uint16) error {
	b := []byte{byte(d.Addr().Chip << 1), reg, byte(v), byte(v >> 8)}
	return d.Write(ctx, append(b[1:], byte(crcSMBus.Of(b)))...)
}
