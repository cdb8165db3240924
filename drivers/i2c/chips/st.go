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

	// With irq it measures once a second: settings with that rate, and the register and the
	// value that have its pin show that there is something to read.
	free byte
	drdy [2]byte
}

const stStatus, stData, stBoth = 0x27, 0x28, 0x03 // the last: temperature and the other

// stIDs are what register 0x0f holds.
var stIDs = map[uint32]string{0xb1: "lps22hb", 0xbd: "lps25hb", 0xbc: "hts221"}

func (s demand) identify(ctx context.Context, d *bus.Dev) error {
	id, err := d.U8(ctx, 0x0f)
	if err == nil && id != s.id {
		err = chip.WrongChip(s.name, uint32(id), stIDs)
	}
	return err
}

// open identifies the chip and returns what measures; nothing is that nothing is new, which is
// only so where the chip measures on its own.
func (s demand) open(ctx context.Context, d *bus.Dev, irq bool) (measure func(context.Context) ([]byte, error), err error) {
	if err := s.identify(ctx, d); err != nil {
		return nil, err
	}
	if !irq {
		return func(ctx context.Context) ([]byte, error) { return s.measure(ctx, d) }, nil
	}
	for _, set := range [][2]byte{{s.config, 0}, {s.start, s.shot &^ 1}, s.drdy, {s.config, s.free}} {
		if err := d.Write(ctx, set[0], set[1]); err != nil {
			return nil, err
		}
	}
	f := fresher()
	return func(ctx context.Context) ([]byte, error) { return s.latest(ctx, d, f) }, nil
}

// latest returns what was measured since it was last asked, if anything.
func (s demand) latest(ctx context.Context, d *bus.Dev, f *fresh) ([]byte, error) {
	if ready, err := f.has(ctx, d, stStatus, stBoth); err != nil || !ready {
		return nil, err
	}
	b, err := d.Reg(ctx, stData|s.burst, s.data)
	if err != nil {
		return nil, err
	}
	return b, checkSettings(ctx, d, []setting{{s.config, true, 0xff, uint16(s.free)}, {s.drdy[0], true, 0xff, uint16(s.drdy[1])},
		{s.start, true, uint16(s.kept), uint16(s.shot)}})
}

// measure has the chip measure once and returns its bytes from 0x28 on.
func (s demand) measure(ctx context.Context, d *bus.Dev) ([]byte, error) {
	// Idle first: off, no FIFO, then what is measured once.
	for _, set := range [][2]byte{{s.config, 0}, {s.start, s.shot &^ 1}, {s.config, s.settings}} {
		if err := d.Write(ctx, set[0], set[1]); err != nil {
			return nil, err
		}
	}
	// What was measured before is read, so that what is ready is what follows.
	if _, err := d.Reg(ctx, stData|s.burst, s.data); err != nil {
		return nil, err
	}
	if err := d.Write(ctx, s.start, s.shot); err != nil {
		return nil, err
	}
	for range 8 {
		if err := bus.Sleep(ctx, 40*time.Millisecond); err != nil {
			return nil, err
		}
		ready, err := d.U8(ctx, stStatus)
		if err != nil {
			return nil, err
		}
		if ready&stBoth != stBoth {
			continue
		}
		b, err := d.Reg(ctx, stData|s.burst, s.data)
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
