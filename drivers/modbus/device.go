package modbus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
)

const (
	// backoffAfter is how many requests in a row may go without an answer before the unit
	// counts as dead: its time-outs cost the others on the wire.
	backoffAfter = 3
	firstProbe   = 2 * time.Second // then twice as long each time
	lastProbe    = time.Minute

	// refusedEvery is when a register that the device refused is tried again: a firmware
	// update may bring it.
	refusedEvery = 10 * time.Minute

	absentEvery = time.Second // how often it is asked whether the port is back

	// minInterval keeps a schedule of nothing but zero intervals from spinning.
	minInterval = 10 * time.Millisecond
)

// unitBackoff is for units that do not answer, and for blocks that have no answer of a
// unit that answers elsewhere.
var unitBackoff = drivers.Backoff{After: backoffAfter, First: firstProbe, Longest: lastProbe}

// exchanger frames requests: rtu or tcp.
type exchanger interface {
	exchange(s *serial.Transaction, unit byte, r request) (data []byte, at time.Time, err error)
}

// device is one unit. Watch is its schedule; commands come from outside.
type device struct {
	bus       *serial.Bus
	release   func()
	transport exchanger
	unit      byte
	line      serial.Line
	timeout   time.Duration
	hint      string // where to look if it does not answer
	limits    limits
	channels  []*channel

	identity   *Identity // nil: the device cannot be known
	order      field.Order
	identified bool
	mute       bool // about its identity, so another register is asked before it

	sunspec []*item // to be found before there is a plan
	base    int     // index of where to look for them first
	fixed   []*item
	blocks  []*block  // nil: to be planned
	again   time.Time // when it is planned again; zero: as it is
	report  drivers.Report
	wake    chan *channel // was written, is to be read soon

	silent drivers.Backoff // requests in a row without an answer
	after  time.Time       // no request before: an answer may still be on its way
}

// Close releases the wire.
func (d *device) Close() error {
	d.release()
	return nil
}

// Watch reads each block at its interval until ctx ends.
func (d *device) Watch(ctx context.Context, report drivers.Report) error {
	d.report = report
	for ctx.Err() == nil {
		var wait time.Duration
		if !d.again.IsZero() && !time.Now().Before(d.again) {
			d.blocks, d.again = nil, time.Time{}
		}
		if d.blocks == nil {
			wait = d.prepare(ctx)
		} else {
			wait = d.turn(ctx)
		}
		if !d.again.IsZero() {
			wait = min(wait, max(0, time.Until(d.again)))
		}
		d.rest(ctx, wait)
	}
	return ctx.Err()
}

// prepare makes the plan, for which SunSpec models have to be found first.
func (d *device) prepare(ctx context.Context) (wait time.Duration) {
	if wait := time.Until(d.after); wait > 0 {
		return wait // no answer, the last time
	}
	if d.identity != nil && !d.identified && !d.mute {
		if err := d.identify(ctx); err != nil {
			d.mute = errors.Is(err, drivers.ErrNoAnswer)
			return d.failed(ctx, nil, err)
		}
		d.identified = true
	}
	items := d.fixed
	if len(d.sunspec) > 0 {
		found, err := d.discover(ctx)
		if err != nil {
			return d.failed(ctx, nil, err)
		}
		items = append(items[:len(items):len(items)], found...)
	}
	items, err := d.present(ctx, items)
	if err != nil {
		return d.failed(ctx, nil, err)
	}
	d.blocks = plan(items, d.limits)
	now := time.Now()
	for _, b := range d.blocks {
		b.StartNow(now)
	}
	if len(d.blocks) == 0 {
		return lastProbe // takes commands only
	}
	return 0
}

// turn reads the block that is due, or says how long to wait for it.
func (d *device) turn(ctx context.Context) (wait time.Duration) {
	b := d.next()
	if wait := time.Until(later(b.Due(), d.after)); wait > 0 {
		return wait
	}
	asked := b
	if d.silent.Active() && !b.known {
		// There are devices that keep silent where they should refuse.
		asked = plan(b.items[:1], d.limits)[0]
	}
	data, at, err := d.read(ctx, asked.table, asked.at, asked.width, b.Due())
	if err != nil {
		return d.failed(ctx, b, err)
	}
	d.answered()
	if d.mute {
		if err := d.known(ctx); err != nil {
			d.blocks, d.mute = nil, false
			return d.failed(ctx, nil, err)
		}
	}
	d.readings(asked, data, at)
	if asked == b {
		b.known = true
		b.Answered(at)
	}
	return 0
}

// next is the block that is due first.
func (d *device) next() *block {
	first := d.blocks[0]
	for _, b := range d.blocks[1:] {
		if b.Due().Before(first.Due()) {
			first = b
		}
	}
	return first
}

// read asks for n values. A unit that does not answer is only probed.
func (d *device) read(ctx context.Context, t Table, at, n int, due time.Time) (data []byte, when time.Time, err error) {
	priority := serial.Poll
	if d.silent.Active() {
		priority = serial.Probe
	}
	err = d.bus.Do(ctx, serial.Job{Priority: priority, Due: due, Line: d.line, Run: func(s *serial.Transaction) error {
		data, when, err = d.transport.exchange(s, d.unit, readRequest(t, uint16(at), n))
		return err
	}})
	return data, when, err
}

// failed decides what a failure means for the schedule, and reports it.
func (d *device) failed(ctx context.Context, b *block, err error) (wait time.Duration) {
	switch {
	case ctx.Err() != nil:
		return 0
	case errors.Is(err, drivers.ErrAbsent):
		d.report(drivers.Reading{}, err)
		d.blocks, d.identified, d.mute = nil, false, false // what comes back may be another device
		return absentEvery
	case errors.Is(err, drivers.ErrNoAnswer):
		return d.noAnswer(b, err)
	}
	d.answered()
	if b == nil {
		d.report(drivers.Reading{}, d.named(err))
		return lastProbe
	}
	if !tooMuch(err) {
		d.blockFailed(b, err)
		b.Postpone(time.Now().Add(b.Every))
		return 0
	}
	if parts := b.split(); parts != nil {
		d.replace(b, parts)
		return 0
	}
	d.blockFailed(b, err)
	b.Postpone(time.Now().Add(max(b.Every, refusedEvery)))
	return 0
}

// blockFailed reports what is wrong with a block: a fault of its channels, if the unit
// itself answers.
func (d *device) blockFailed(b *block, err error) {
	if !errors.As(err, new(exception)) && !errors.Is(err, drivers.ErrNoAnswer) {
		d.report(drivers.Reading{}, d.named(fmt.Errorf("%s %d: %w", b.table, b.at, err)))
		return
	}
	for _, i := range b.items {
		d.channelFailed(i.channel, fmt.Errorf("%s %d: %w", i.table, i.at, err))
	}
}

// channelFailed reports the fault of a channel.
func (d *device) channelFailed(c *channel, err error) {
	d.report(drivers.Reading{}, d.named(&drivers.ChannelError{Channel: c.name, Err: err}))
}

// noAnswer counts a request without an answer, and lets the unit rest after some. A block
// that alone has none is asked for in parts, or else less often.
func (d *device) noAnswer(b *block, err error) (wait time.Duration) {
	now := time.Now()
	pause := d.silent.Failed()
	if b != nil {
		b.Failed(now)
	}
	if pause > 0 {
		d.report(drivers.Reading{}, d.named(fmt.Errorf("%w%s", err, d.hint)))
		d.after = now.Add(pause)
		return 0
	}
	// If the answer comes after all, nobody of this unit must be waiting for another.
	d.after = now.Add(d.timeout)
	if b == nil || !b.Active() {
		return 0
	}
	if parts := b.split(); parts != nil && !b.known {
		d.replace(b, parts)
		return 0
	}
	d.blockFailed(b, fmt.Errorf("%w, though the unit answers elsewhere", err))
	return 0
}

// answered ends the back-off: everything is due, since what is known is old.
func (d *device) answered() {
	if d.silent.Active() {
		now := time.Now()
		for _, b := range d.blocks {
			b.Hasten(now)
		}
	}
	d.silent.Reset()
	d.after = time.Time{}
}

func (d *device) replace(b *block, parts []*block) {
	for i := range d.blocks {
		if d.blocks[i] == b {
			d.blocks = append(append(d.blocks[:i:i], parts...), d.blocks[i+1:]...)
			return
		}
	}
}

// readings reports what a block's answer holds.
func (d *device) readings(b *block, data []byte, at time.Time) {
	for _, i := range b.items {
		v, err := i.channel.decode(b.slice(data, i))
		switch {
		case errors.Is(err, field.ErrNone), err == nil && !v.Valid():
		case err != nil:
			d.channelFailed(i.channel, err)
		default:
			d.report(drivers.Reading{Channel: i.channel.name, Unit: i.channel.unit, Value: v, Time: at}, nil)
		}
	}
}

// named adds to an error which unit it is about.
func (d *device) named(err error) error {
	if errors.Is(err, drivers.ErrAbsent) {
		return err // about the wire, which it names
	}
	return fmt.Errorf("modbus unit %d on %s: %w", d.unit, d.bus, err)
}

// rest waits for d, for ctx, or until a channel was written and wants to be read.
func (d *device) rest(ctx context.Context, wait time.Duration) {
	if wait <= 0 {
		return
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case c := <-d.wake:
		d.dueNow(c)
	}
}

func (d *device) dueNow(c *channel) {
	for _, b := range d.blocks {
		for _, i := range b.items {
			if i.channel == c {
				b.Hasten(time.Now())
			}
		}
	}
}
