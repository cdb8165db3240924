package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sensorgate/drivers"
)

// Clear frees a bus on which a chip holds the data line, by giving it the clock pulses that
// it waits for: a master was reset, or lost its power, in the middle of a byte. NXP UM10204
// section 3.1.16 "Bus clear".
type Clear struct {
	SCL drivers.OpenDrain
	SDA drivers.OpenDrain // nil: not wired, so nobody sees whether it helped
}

const (
	// clearPulses are enough for the rest of a byte and its acknowledgement. Section 3.1.16.
	clearPulses = 9
	// halfPulse is long for any chip, and far below the 25 ms after which SMBus chips reset
	// themselves.
	halfPulse = 50 * time.Microsecond
	// heldSamples a millisecond apart are low where the data line is held, and not where
	// somebody else talks.
	heldSamples = 3
)

// ErrHeldClock is a bus whose clock a chip holds: pulses cannot reach it.
var ErrHeldClock = errors.New("a chip holds the clock line: only its supply can be switched off and on")

// Held reports whether a chip holds the data line. Without SDA nobody knows.
func (c *Clear) Held() (bool, error) {
	if c.SDA == nil {
		return false, nil
	}
	for range heldSamples {
		if high, err := c.SDA.High(); err != nil || high {
			return false, err
		}
		time.Sleep(time.Millisecond)
	}
	return true, nil
}

// run sends clock pulses until the data line is free, and ends with a stop.
func (c *Clear) run() error {
	if high, err := c.SCL.High(); err != nil {
		return err
	} else if !high {
		return ErrHeldClock
	}
	for range clearPulses {
		if c.SDA != nil {
			if high, err := c.SDA.High(); err != nil {
				return err
			} else if high {
				break
			}
		}
		if err := c.pulse(c.SCL); err != nil {
			return err
		}
	}
	if c.SDA == nil {
		return nil
	}
	if high, err := c.SDA.High(); err != nil {
		return err
	} else if !high {
		return fmt.Errorf("%d clock pulses did not free the data line (a short circuit, or a chip that only its supply resets?)", clearPulses)
	}
	return c.stop()
}

// pulse pulls a line low for a moment.
func (c *Clear) pulse(line drivers.OpenDrain) error {
	if err := line.Pull(true); err != nil {
		return err
	}
	time.Sleep(halfPulse)
	err := line.Pull(false)
	time.Sleep(halfPulse)
	return err
}

// stop is the data line going up while the clock is. Whoever was addressed releases the line.
func (c *Clear) stop() error {
	for _, step := range []struct {
		line drivers.OpenDrain
		low  bool
	}{{c.SCL, true}, {c.SDA, true}, {c.SCL, false}, {c.SDA, false}} {
		if err := step.line.Pull(step.low); err != nil {
			return errors.Join(err, c.SCL.Pull(false), c.SDA.Pull(false))
		}
		time.Sleep(halfPulse)
	}
	return nil
}

// SetOpenDrain has open open the lines of a Clear. It must be called before Run.
func (b *Buses) SetOpenDrain(open drivers.OpenDrainOpener) { b.pins = open }

// OpenClear opens the lines that are wired to a bus, sda "" for none, for a device that frees
// it: from now on a bus that hangs gets clock pulses instead of a reset of its adapter.
func (b *Buses) OpenClear(device, name, scl, sda string) (*Clearing, error) {
	if b.pins == nil {
		return nil, errors.New("there are no GPIO lines here")
	}
	c := &Clear{}
	var err error
	if c.SCL, err = b.pins(device, scl); err != nil {
		return nil, err
	}
	if sda != "" {
		if c.SDA, err = b.pins(device, sda); err != nil {
			return nil, errors.Join(err, c.SCL.Close())
		}
	}
	o := b.owner(name)
	o.clear.Store(c)
	return &Clearing{owner: o, clear: c}, nil
}

// Clearing is a bus that can be freed.
type Clearing struct {
	owner *owner
	clear *Clear
}

// Freed returns how often the bus was freed since the start.
func (c *Clearing) Freed() int64 { return c.owner.freed.Load() }

// Held reports whether a chip holds the data line, at a moment when we do not talk.
func (c *Clearing) Held(ctx context.Context) (held bool, err error) {
	err = c.owner.do(ctx, func() (err error) {
		held, err = c.clear.Held()
		return err
	})
	return held, err
}

// Free frees the bus now.
func (c *Clearing) Free(ctx context.Context) error { return c.owner.do(ctx, c.owner.free) }

// Close releases the lines.
func (c *Clearing) Close() error {
	c.owner.clear.CompareAndSwap(c.clear, nil)
	err := c.clear.SCL.Close()
	if c.clear.SDA != nil {
		err = errors.Join(err, c.clear.SDA.Close())
	}
	return err
}

// free runs in the owner's goroutine.
func (o *owner) free() error {
	c := o.clear.Load()
	if c == nil {
		return fmt.Errorf("%w: there is no line to free the bus with", drivers.ErrRefused)
	}
	if err := c.run(); err != nil {
		return err
	}
	o.freed.Add(1)
	return nil
}
