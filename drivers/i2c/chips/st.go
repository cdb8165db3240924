package chips

import (
	"context"
	"time"

	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// demand is one of ST's sensors that measures when it is asked to.
type demand struct {
	name          string
	id            byte
	config, start byte // CTRL_REG1 and 2
	settings      byte // of config; not those after power-on, so that a reset is noticed
	shot          byte // of start; bit 0 falls back when it is over
	kept          byte // bits of start that another program must not have changed
	burst         byte // set in the number of a register to read on
	data          int  // bytes from 0x28 on
}

// stIDs are what register 0x0f holds.
var stIDs = map[uint32]string{0xb1: "lps22hb", 0xbd: "lps25hb", 0xbc: "hts221"}

func (s demand) identify(ctx context.Context, d *bus.Dev) error {
	id, err := d.U8(ctx, 0x0f)
	if err == nil && id != s.id {
		err = chip.WrongChip(s.name, uint32(id), stIDs)
	}
	return err
}

// measure has the chip measure once and returns its bytes from 0x28 on.
func (s demand) measure(ctx context.Context, d *bus.Dev) ([]byte, error) {
	const status, data = 0x27, 0x28
	// Idle first: off, no FIFO, then what is measured once.
	for _, set := range [][2]byte{{s.config, 0}, {s.start, s.shot &^ 1}, {s.config, s.settings}} {
		if err := d.Write(ctx, set[0], set[1]); err != nil {
			return nil, err
		}
	}
	// What was measured before is read, so that what is ready is what follows.
	if _, err := d.Reg(ctx, data|s.burst, s.data); err != nil {
		return nil, err
	}
	if err := d.Write(ctx, s.start, s.shot); err != nil {
		return nil, err
	}
	for range 8 {
		if err := bus.Sleep(ctx, 40*time.Millisecond); err != nil {
			return nil, err
		}
		ready, err := d.U8(ctx, status)
		if err != nil {
			return nil, err
		}
		if ready&0x03 != 0x03 {
			continue
		}
		b, err := d.Reg(ctx, data|s.burst, s.data)
		if err != nil {
			return nil, err
		}
		set, err := d.Reg(ctx, s.config|s.burst, 2)
		if err != nil {
			return nil, err
		}
		if set[0] != s.settings || (set[1]^s.shot)&s.kept != 0 {
			return nil, chip.ErrReset
		}
		return b, nil
	}
	return nil, chip.ErrNoData
}
