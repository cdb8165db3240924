package chips

import (
	"context"
	"fmt"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// registered is an expander with registers for two ports: direction (1 is input),
// output, input.
type registered struct {
	d                  *bus.Dev
	dir, output, input byte
	pull               byte // 0: has none
	// zero is a register of which some bits always read as zero: a bus that reads ones is
	// known by it.
	zero, zeroBits byte

	out, levels, pulls uint16
}

func (r *registered) put(ctx context.Context, reg byte, v uint16) error {
	return r.d.Write(ctx, reg, byte(v), byte(v>>8))
}

func (r *registered) setup(ctx context.Context, out, levels, pulls uint16) error {
	r.out, r.levels, r.pulls = out, levels, pulls
	// Levels before direction, so that no output shows a wrong level for a moment.
	if err := r.put(ctx, r.output, levels); err != nil {
		return err
	}
	if r.pull != 0 {
		if err := r.put(ctx, r.pull, pulls); err != nil {
			return err
		}
	}
	return r.put(ctx, r.dir, ^out)
}

func (r *registered) read(ctx context.Context) (uint16, error) {
	levels, err := r.d.LE16(ctx, r.input)
	if err != nil {
		return 0, err
	}
	z, err := r.d.U8(ctx, r.zero)
	if err != nil {
		return 0, err
	}
	if z&r.zeroBits != 0 {
		return 0, fmt.Errorf("%w: the bus reads only ones, or this is another chip", drivers.ErrNoAnswer)
	}
	dir, err := r.d.LE16(ctx, r.dir)
	if err != nil {
		return 0, err
	}
	set, err := r.d.LE16(ctx, r.output)
	if err != nil {
		return 0, err
	}
	if dir != ^r.out || (set^r.levels)&r.out != 0 {
		return 0, chip.ErrReset
	}
	if r.pull != 0 {
		if pulls, err := r.d.LE16(ctx, r.pull); err != nil {
			return 0, err
		} else if pulls != r.pulls {
			return 0, chip.ErrReset
		}
	}
	return levels, nil
}

func (r *registered) write(ctx context.Context, levels uint16) error {
	r.levels = levels
	return r.put(ctx, r.output, levels)
}
