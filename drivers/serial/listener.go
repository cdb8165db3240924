package serial

import (
	"context"
	"fmt"
	"os"
	"time"
)

// maxUnheard is how much a Listener keeps for somebody who does not come for it.
const maxUnheard = 64 << 10

// Listener hears what arrives on a Bus and is nobody's answer. If its owner is slow
// the oldest bytes are lost, and the next call of Next says how many.
type Listener struct {
	bus *Bus

	// Guarded by bus.mu. What arrives is appended to in; Next hands out from out, and
	// swaps them when out is empty, so that nothing is allocated while bytes flow.
	in, out chunks
	dropped int
	downErr error
	news    chan struct{}
	timer   *time.Timer
}

// chunks is bytes and when they came.
type chunks struct {
	data  []byte
	marks []mark
	taken int // of marks
}

// mark says that data up to end came at.
type mark struct {
	end int
	at  time.Time
}

// Chunk is what arrived at one time.
type Chunk struct {
	Data []byte // valid until the next call of Next
	At   time.Time
}

// Listen begins to listen. Call Close at the end.
func (b *Bus) Listen() *Listener {
	l := &Listener{bus: b, news: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
	l.timer.Stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listeners[l] = struct{}{}
	if b.err != nil {
		l.down(b.err)
	}
	b.use.Do(func() { close(b.used) })
	return l
}

// Close ends listening.
func (l *Listener) Close() {
	l.bus.mu.Lock()
	defer l.bus.mu.Unlock()
	delete(l.bus.listeners, l)
}

// arrived takes over what the port read. The Bus's mutex is held.
func (l *Listener) arrived(p []byte, at time.Time) {
	if len(l.in.data)+len(p) > maxUnheard {
		l.dropped += len(l.in.data)
		l.in.reset()
	}
	l.in.data = append(l.in.data, p...)
	l.in.marks = append(l.in.marks, mark{len(l.in.data), at})
	l.notify()
}

// down reports that the port is not usable. The Bus's mutex is held.
func (l *Listener) down(err error) {
	l.downErr = err
	l.notify()
}

func (l *Listener) notify() {
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// Next returns the next bytes. Its errors: that of ctx; os.ErrDeadlineExceeded when none
// came before deadline, if it is not zero; why the port is not usable, once each
// time; that bytes were lost. After an error it may be called again.
func (l *Listener) Next(ctx context.Context, deadline time.Time) (Chunk, error) {
	var timeout <-chan time.Time
	if !deadline.IsZero() {
		l.timer.Reset(time.Until(deadline))
		defer l.timer.Stop()
		timeout = l.timer.C
	}
	for {
		if c, ok := l.out.next(); ok {
			return c, nil
		}
		if err := l.refill(); err != nil {
			return Chunk{}, err
		}
		if len(l.out.marks) > 0 {
			continue
		}
		select {
		case <-l.news:
		case <-timeout:
			return Chunk{}, os.ErrDeadlineExceeded
		case <-ctx.Done():
			return Chunk{}, ctx.Err()
		}
	}
}

func (l *Listener) refill() error {
	l.bus.mu.Lock()
	defer l.bus.mu.Unlock()
	if n := l.dropped; n > 0 {
		l.dropped = 0
		return fmt.Errorf("%s: %d bytes lost: they came faster than they were looked at", l.bus.opts.where(), n)
	}
	l.out.reset()
	l.in, l.out = l.out, l.in
	if len(l.out.marks) > 0 {
		return nil // what was heard before the port went comes first
	}
	err := l.downErr
	l.downErr = nil
	return err
}

func (c *chunks) reset() { *c = chunks{data: c.data[:0], marks: c.marks[:0]} }

// next takes the first chunk off; the bytes stay where they are until reset.
func (c *chunks) next() (Chunk, bool) {
	if len(c.marks) == c.taken {
		return Chunk{}, false
	}
	m, start := c.marks[c.taken], 0
	if c.taken > 0 {
		start = c.marks[c.taken-1].end
	}
	c.taken++
	return Chunk{Data: c.data[start:m.end], At: m.at}, true
}
