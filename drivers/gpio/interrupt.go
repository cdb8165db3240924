package gpio

import (
	"context"
	"errors"
	"time"

	"sensorgate/drivers"
)

// interruptBuffer is enough for a line of which only "since the last look" matters.
const interruptBuffer = 16

// Interrupt takes the line that a chip on another bus is wired to, for the driver of that
// chip. One that is active low gets the pull-up that such outputs need, where the GPIO
// chip has one.
func (c *Chips) Interrupt(device, line string, high bool) (drivers.Interrupt, error) {
	cfg := Config{ActiveLow: !high, Edges: Rising, Buffer: interruptBuffer}
	if !high {
		cfg.Pull = PullUp
	}
	l, err := c.request(device, Ref(line), cfg)
	if errors.Is(err, ErrUnsupported) && !high { // a board's own resistor then
		cfg.Pull = PullAsIs
		l, err = c.request(device, Ref(line), cfg)
	}
	if err != nil {
		return nil, err
	}
	return &interrupt{line: l}, nil
}

type interrupt struct {
	line Line
	buf  [interruptBuffer]Event
}

// Wait implements drivers.Interrupt.
func (i *interrupt) Wait(ctx context.Context, until time.Time) (bool, error) {
	n, err := i.line.Wait(ctx, until, i.buf[:])
	return n > 0, err
}

// Active implements drivers.Interrupt.
func (i *interrupt) Active() (bool, error) { return i.line.Get() }

// Close implements drivers.Interrupt.
func (i *interrupt) Close() error { return i.line.Close() }
