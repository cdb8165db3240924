package chips

import (
	"context"
	"fmt"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// registered is an expander with registers for two ports: direction (1 is input),
// output, input, and polarity (1 turns an input's level round).
type registered struct {
	d                            *bus.Dev
	dir, output, input, polarity byte
	pull                         byte // 0: has none
	// configs are where the chip's configuration may be, depending on what it says now: each
	// is set to config, in this order, and the last one stays so. None: it has none.
	configs []byte
	// interrupts is the register of the inputs that the interrupt pin reports, compare that of
	// what they are compared with (0: what they were before); 0: the pin is not used, or needs
	// no register. The chip releases its pin when the inputs are read.
	interrupts, compare byte
	one                 bool // it has one port, and registers of one byte
	config              byte // what the last one holds, but for the bit that moves it

	out, levels, pulls uint16
}

func (r *registered) put(ctx context.Context, reg byte, v uint16) error {
	if r.one {
		return r.d.Write(ctx, reg, byte(v))
	}
	return r.d.Write(ctx, reg, byte(v), byte(v>>8))
}

func (r *registered) get(ctx context.Context, reg byte) (uint16, error) {
	if r.one {
		v, err := r.d.U8(ctx, reg)
		return uint16(v), err
	}
	return r.d.LE16(ctx, reg)
}

// all are the bits that there are.
func (r *registered) all() uint16 {
	if r.one {
		return 0x00ff
	}
	return 0xffff
}

// setup sets all that matters: another program may have left the registers in another
// place, and inputs turned round.
func (r *registered) setup(ctx context.Context, out, levels, pulls uint16) error {
	r.out, r.levels, r.pulls = out, levels, pulls
	for _, reg := range r.configs {
		if err := r.d.Write(ctx, reg, r.config); err != nil {
			return err
		}
	}
	// Levels before direction, so that no output shows a wrong level for a moment.
	for _, set := range []struct {
		reg byte
		v   uint16
	}{{r.output, levels}, {r.polarity, 0}, {r.pull, pulls}, {r.dir, ^out}, {r.compare, 0}, {r.interrupts, ^out}} {
		if set.reg == 0 && set.reg != r.dir {
			continue
		}
		if err := r.put(ctx, set.reg, set.v); err != nil {
			return err
		}
	}
	return nil
}

func (r *registered) read(ctx context.Context) (uint16, error) {
	levels, err := r.get(ctx, r.input)
	if err != nil {
		return 0, err
	}
	turned, err := r.get(ctx, r.polarity)
	switch {
	case err != nil:
		return 0, err
	case turned == r.all():
		return 0, fmt.Errorf("%w: the bus reads only ones, or another program turned all inputs round", drivers.ErrNoAnswer)
	case turned != 0:
		return 0, chip.ErrReset
	}
	return levels, r.unchanged(ctx)
}

// unchanged returns chip.ErrReset if the chip has lost its setup.
func (r *registered) unchanged(ctx context.Context) error {
	for _, kept := range []struct {
		reg        byte
		mask, want uint16
	}{{r.dir, r.all(), ^r.out}, {r.output, r.out, r.levels}, {r.pull, r.all(), r.pulls}, {r.interrupts, r.all(), ^r.out}} {
		if kept.reg == 0 && kept.reg != r.dir {
			continue
		}
		if got, err := r.get(ctx, kept.reg); err != nil {
			return err
		} else if (got^kept.want)&kept.mask != 0 {
			return chip.ErrReset
		}
	}
	if n := len(r.configs); n > 0 {
		if got, err := r.d.U8(ctx, r.configs[n-1]); err != nil {
			return err
		} else if got != r.config {
			return chip.ErrReset
		}
	}
	return nil
}

func (r *registered) write(ctx context.Context, levels uint16) error {
	r.levels = levels
	return r.put(ctx, r.output, levels)
}
