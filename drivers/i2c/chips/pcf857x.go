package chips

import (
	"context"

	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// quasi is an expander without registers: a written one is a weak pull-up, which also
// serves as input.
type quasi struct {
	d      *bus.Dev
	ports  int
	out    uint16
	levels uint16
}

func (q *quasi) setup(ctx context.Context, out, levels, _ uint16) error {
	q.out = out
	return q.write(ctx, levels)
}

func (q *quasi) read(ctx context.Context) (uint16, error) {
	b, err := q.d.Read(ctx, q.ports)
	if err != nil {
		return 0, err
	}
	if allBytes(b, 0x00) || allBytes(b, 0xff) {
		if err := q.d.NotStuck(ctx); err != nil {
			return 0, err
		}
	}
	levels := uint16(b[0])
	if q.ports == 2 {
		levels |= uint16(b[1]) << 8
	}
	// An output that was driven low and is high: the chip was reset, when all go high.
	if q.out&^q.levels&levels != 0 {
		return 0, chip.ErrReset
	}
	return levels, nil
}

func (q *quasi) write(ctx context.Context, levels uint16) error {
	q.levels = levels
	v := levels&q.out | ^q.out // inputs are ones
	b := []byte{byte(v), byte(v >> 8)}
	return q.d.Write(ctx, b[:q.ports]...)
}
