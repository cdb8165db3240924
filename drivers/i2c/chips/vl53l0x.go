package chips

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// VL53L0X measures distance up to 2 m. Its data sheet has no registers: which ones start a
// measurement and hold its result is from the kernel's driver of the same name, which like
// this one leaves the chip as it is after power-on (ST's library tunes it further).
func VL53L0X(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "vl53l0x",
		Summary:   "ST VL53L0X: distance up to 2 m",
		Addresses: []uint16{0x29},
		Every:     time.Second,
		Channels:  distanceChannels(2.2),
		Needs:     chip.Need("distance", "target"),
		Options:   chip.NoOptions,
		OpenDevice: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions, _ chip.Config) (chip.Device, error) {
			if err := idVL53L0X(ctx, d); err != nil {
				return nil, err
			}
			return ranger{func(ctx context.Context) (float64, bool, error) { return rangeVL53L0X(ctx, d) }}, resetVL53L0X(ctx, d)
		},
	}.On(b)
}

func idVL53L0X(ctx context.Context, d *bus.Dev) error {
	id, err := d.U8(ctx, 0xc0)
	if err == nil && id != 0xee {
		err = chip.WrongChip("vl53l0x", uint32(id), nil)
	}
	return err
}

// resetVL53L0X puts the chip into its state after power-on: another program may have left
// it ranging on its own, or in quarters of a millimetre. As VL53L0X_ResetDevice of ST's
// library does.
func resetVL53L0X(ctx context.Context, d *bus.Dev) error {
	const reset, id = 0xbf, 0xc0
	for _, up := range []byte{0, 1} {
		if err := d.Write(ctx, reset, up); err != nil {
			return err
		}
		var got byte
		var err error
		for range 6 {
			if err := bus.Sleep(ctx, 2*time.Millisecond); err != nil {
				return err
			}
			if got, err = d.U8(ctx, id); err == nil && (got != 0) == (up != 0) {
				break
			}
		}
		switch {
		case err != nil && up == 0: // in reset it need not answer
		case err != nil:
			return err
		case (got != 0) != (up != 0): // in reset it has no id
			return errors.New("it does not reset")
		}
	}
	return ctx.Err()
}

// rangeVL53L0X makes one measurement: start, wait for bit 0 of the range status, take the
// distance from the end of its block.
func rangeVL53L0X(ctx context.Context, d *bus.Dev) (metres float64, target bool, err error) {
	const start, interruptClear, result = 0x00, 0x0b, 0x14
	if err := d.Write(ctx, interruptClear, 0x01); err != nil {
		return 0, false, err
	}
	if err := d.Write(ctx, start, 0x01); err != nil {
		return 0, false, err
	}
	for range 10 { // some 33 ms
		if err := bus.Sleep(ctx, 20*time.Millisecond); err != nil {
			return 0, false, err
		}
		b, err := d.Reg(ctx, result, 12)
		if err != nil {
			return 0, false, err
		}
		if b[0]&0x01 == 0 {
			continue
		}
		if err := idVL53L0X(ctx, d); err != nil {
			return 0, false, err
		}
		mm := float64(uint16(b[10])<<8 | uint16(b[11]))
		switch status := b[0] >> 3 & 0x0f; status { // DeviceRangeStatus of ST's library
		case 11:
			return mm / 1000, true, nil
		case 4, 6, 8, 9, 10: // weak signal, phase out of bounds, below the minimum
			return 0, false, nil
		case 1, 2, 3:
			return 0, false, fmt.Errorf("its laser does not work (status %d)", status)
		}
		return 0, false, chip.ErrNoData
	}
	return 0, false, chip.ErrNoData
}
