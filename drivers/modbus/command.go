package modbus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
)

// readBackAfter is how long a device gets between a write and reading it back.
const readBackAfter = 20 * time.Millisecond

// wearEvery is how often a value may change that the device keeps in memory that wears out.
const wearEvery = time.Minute

// Command writes a channel and reads it back: done is what the device reports as
// done, not what was written. It goes before all polls on the wire.
func (d *device) Command(ctx context.Context, cmd drivers.Command) error {
	for _, c := range d.channels {
		if c.name == cmd.Channel && c.o.Write {
			return d.write(ctx, c, cmd)
		}
	}
	return fmt.Errorf("%s: %w", cmd.Channel, drivers.ErrNoCommands)
}

func (d *device) write(ctx context.Context, c *channel, cmd drivers.Command) error {
	r, check, err := c.request(cmd)
	if err != nil {
		return err
	}
	err = d.bus.Do(ctx, serial.Job{Priority: serial.Command, Line: d.line, Run: func(s *serial.Transaction) error {
		if err := d.allowed(s, c); err != nil {
			return err
		}
		if done, err := d.spare(s, c, check); done || err != nil {
			return err
		}
		_, _, err := d.transport.exchange(s, d.unit, r)
		if !errors.As(err, new(exception)) {
			c.written = time.Now() // perhaps, if there is no answer
		}
		if err != nil {
			return err
		}
		if c.o.ReadBack != nil && !*c.o.ReadBack {
			return nil
		}
		if err := s.Quiet(readBackAfter); err != nil {
			return err
		}
		data, err := d.readBack(s, c)
		if err != nil {
			return fmt.Errorf("written, but not read back: %w", err)
		}
		return check(data)
	}})
	if err != nil {
		return d.named(fmt.Errorf("%s: %w", c.name, err))
	}
	select {
	case d.wake <- c:
	default: // the schedule is busy; it comes by soon enough
	}
	return nil
}

func (d *device) readBack(s *serial.Transaction, c *channel) ([]byte, error) {
	table, at := c.place()
	data, _, err := d.transport.exchange(s, d.unit, readRequest(table, uint16(at), c.o.width()))
	return data, err
}

// spare keeps writes off memory that wears out, such as an EEPROM of 100,000 of them. done
// is true if the device has the wanted value already.
func (d *device) spare(s *serial.Transaction, c *channel, check func([]byte) error) (done bool, err error) {
	if !c.o.Wears {
		return false, nil
	}
	data, err := d.readBack(s, c)
	switch {
	case err != nil:
		return false, err
	case check(data) == nil:
		return true, nil
	case !c.written.IsZero() && time.Since(c.written) < wearEvery:
		return false, fmt.Errorf("%w: it was written %v ago, and its memory wears out: at most one write in %v", drivers.ErrRefused,
			time.Since(c.written).Round(time.Second), wearEvery)
	}
	return false, nil
}

func (c *channel) place() (Table, int) { return c.o.place() }

// request makes what to send for cmd, and what to make of the value read back.
func (c *channel) request(cmd drivers.Command) (request, func([]byte) error, error) {
	_, at := c.place()
	if c.o.Coil != nil {
		on, err := c.coil(cmd)
		if err != nil {
			return request{}, nil, err
		}
		return coilRequest(uint16(at), on, c.o.Multiple), func(got []byte) error {
			if (got[0]&1 != 0) != on {
				return fmt.Errorf("%w: the coil reads back as %t", drivers.ErrRefused, !on)
			}
			return nil
		}, nil
	}
	data, err := c.o.Encode(cmd)
	if err != nil {
		return request{}, nil, err
	}
	if len(data)%2 != 0 {
		if c.o.oneByte() {
			data = append([]byte{0}, data...)
		} else {
			data = append(data, 0)
		}
	}
	if len(data) > 2*maxWriteRegisters {
		return request{}, nil, fmt.Errorf("%w: %d registers cannot be written at once", drivers.ErrRefused, len(data)/2)
	}
	return writeRequest(uint16(at), data, c.o.Multiple), func(got []byte) error {
		if !bytes.Equal(got, data) {
			v, _ := c.decode(got)
			return fmt.Errorf("%w: it reads back as %v", drivers.ErrRefused, v)
		}
		return nil
	}, nil
}

func (c *channel) coil(cmd drivers.Command) (bool, error) {
	if c.o.Map == nil {
		return cmd.Bool()
	}
	raw, err := c.o.Raw(cmd)
	return raw != 0, err
}
