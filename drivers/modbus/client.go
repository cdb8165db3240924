package modbus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
)

// Client asks single questions, for people at a command line. The gateway's devices do
// not use it, but the same requests, framing and bus.
type Client struct {
	bus       *serial.Bus
	transport exchanger
	unit      byte
	line      serial.Line
	timeout   time.Duration
}

// NewClient makes a client for a unit on b, which somebody runs; overTCP means that Modbus
// TCP is spoken there.
func NewClient(b *serial.Bus, unit byte, timeout time.Duration, overTCP bool) *Client {
	c := &Client{bus: b, unit: unit, line: b.Line(), timeout: timeout}
	if overTCP {
		var id uint16
		c.transport = &tcp{timeout: timeout, next: func() uint16 { id++; return id }}
	} else {
		c.transport = &rtu{timeout: timeout, line: b.Line(), open: &open{}}
	}
	return c
}

// ParseTable takes coil, discrete, holding or input.
func ParseTable(name string) (Table, error) {
	for t, n := range tableNames {
		if n == name {
			return Table(t), nil
		}
	}
	return 0, fmt.Errorf("found %q, expected %s", name, strings.Join(tableNames[:], ", "))
}

// MaxRead is the most that one request may ask for.
func (t Table) MaxRead() int { return t.maxRead() }

// Registers reports whether the table has registers, not bits.
func (t Table) Registers() bool { return t.registers() }

// Read returns n values from addr on: two bytes each of registers, a bit each of the others.
func (c *Client) Read(ctx context.Context, t Table, addr, n int) (data []byte, err error) {
	err = c.do(ctx, func(s *serial.Transaction) error {
		data, _, err = c.transport.exchange(s, c.unit, readRequest(t, uint16(addr), n))
		return err
	})
	return data, err
}

// Write sets one value and reads it back; a value that reads back as another is an error.
func (c *Client) Write(ctx context.Context, t Table, addr int, l field.Layout, value string, multiple bool) error {
	o := Channel{Layout: l, Write: true, Multiple: multiple}
	switch t {
	case Coils:
		o.Coil = &addr
	case Holding:
		o.Holding = &addr
	default:
		return fmt.Errorf("a %s cannot be written", t)
	}
	if err := o.Check(); err != nil {
		return err
	}
	d := &device{bus: c.bus, transport: c.transport, unit: c.unit, wake: make(chan *channel, 1)}
	ch, _ := newChannel(fmt.Sprintf("%s %d", t, addr), "", o, addr)
	return d.write(ctx, ch, drivers.Command{Payload: []byte(value)})
}

// Present asks for one register. there is whether the unit is: a refusal comes from
// somebody, too. says is how it answered.
func (c *Client) Present(ctx context.Context) (says string, there bool, err error) {
	var refusal exception
	switch _, err := c.Read(ctx, Holding, 0, 1); {
	case err == nil:
		return "answers", true, nil
	case errors.Is(err, drivers.ErrNoAnswer):
		return "", false, nil
	case errors.As(err, &refusal):
		return refusal.Error(), true, nil
	default:
		return "", false, err
	}
}

// On returns a client for the same unit in another line setting.
func (c *Client) On(line serial.Line) *Client {
	other := *c
	other.line = line
	other.transport = &rtu{timeout: c.timeout, line: line, open: &open{}}
	return &other
}

func (c *Client) do(ctx context.Context, run func(*serial.Transaction) error) error {
	err := c.bus.Do(ctx, serial.Job{Priority: serial.Command, Line: c.line, Run: run})
	if err != nil && !errors.Is(err, drivers.ErrAbsent) { // which names the wire
		return fmt.Errorf("modbus unit %d on %s: %w", c.unit, c.bus, err)
	}
	return err
}

// Found is a unit that answered a scan.
type Found struct {
	Unit byte
	Line serial.Line
	Says string // how it answered
}

// Scan asks each unit in each line setting whether it is there, and calls found for those
// that answer. The wire's line settings are usually all the same: once somebody
// has answered, the others are tried no more. progress is called before each question.
func Scan(ctx context.Context, b *serial.Bus, lines []serial.Line, units []byte, timeout time.Duration,
	progress func(line serial.Line, unit byte, done, total int), found func(Found)) error {
	done, total := 0, len(lines)*len(units)
	for _, line := range lines {
		answered := false
		for _, unit := range units {
			transport := &rtu{timeout: timeout, line: line, open: &open{}}
			progress(line, unit, done, total)
			done++
			err := b.Do(ctx, serial.Job{Priority: serial.Command, Line: line, Run: func(s *serial.Transaction) error {
				_, _, err := transport.exchange(s, unit, readRequest(Holding, 0, 1))
				return err
			}})
			var refusal exception
			switch {
			case err == nil:
				found(Found{unit, line, "answers"})
			case errors.As(err, &refusal):
				// A refusal comes from somebody, too.
				found(Found{unit, line, refusal.Error()})
			case errors.Is(err, drivers.ErrNoAnswer):
				continue
			case errors.As(err, new(*drivers.PanicError)): // one unit's answer must not hide the others
				found(Found{unit, line, err.Error()})
			default:
				return err
			}
			answered = true
		}
		if answered {
			return nil
		}
	}
	return nil
}
