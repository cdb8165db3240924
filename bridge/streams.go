package bridge

import (
	"time"

	"sensorgate/internal/journal"
)

type streamID uint8

const (
	live streamID = iota
	backlog
)

// streams chooses what is sent next from the spool. The boundary is the newest record
// at the moment of connecting: what came later is live, the rest is backlog.
type streams struct {
	live, backlog cursor
	boundary      journal.Seq
	ahead         bool // the backlog is so short that it goes first, in order
	rate          bucket
}

// unlimitedBurst is how much backlog may go ahead of what is live: as much as the rate allows
// within a second, and this much if it has no rate: a connection that flapped reorders
// nothing.
const unlimitedBurst = 256

// begin starts a new connection at now. lost hears of gaps in the spool.
func (s *streams) begin(q *journal.Queue, rate Rate, now time.Time, lost func(n uint64, before time.Time)) {
	s.boundary = q.Last()
	s.live = cursor{q: q, after: s.boundary, lost: lost}
	s.backlog = cursor{q: q, end: s.boundary, ends: true, lost: lost}
	s.rate = newBucket(rate, now)
	limit := uint64(unlimitedBurst)
	if rate.Messages > 0 {
		limit = uint64(max(1, rate.Messages))
	}
	s.ahead = q.Stats().Waiting <= limit
}

// cursor walks over the waiting records of a queue.
type cursor struct {
	q     *journal.Queue
	after journal.Seq
	end   journal.Seq // the last one, if it ends
	ends  bool
	buf   []journal.Item
	pos   int
	done  bool // end was reached
	chunk int
	lost  func(n uint64, before time.Time)
}

// Records are read ahead up to this many bytes or items: payloads of a megabyte must
// not fill the memory of a small board.
const (
	readAheadBytes = 1 << 20
	readAheadItems = 256
)

// peek returns the next record without taking it; ok is false when there is none now.
func (c *cursor) peek() (*journal.Item, bool, error) {
	for c.pos == len(c.buf) {
		if c.done {
			return nil, false, nil
		}
		more, err := c.fill()
		if err != nil || !more {
			return nil, false, err
		}
	}
	return &c.buf[c.pos], true, nil
}

// empty reports whether nothing waits, looking at the spool if need be.
func (c *cursor) empty() bool {
	_, ok, err := c.peek()
	return !ok && err == nil
}

func (c *cursor) take() { c.pos++ }

// drained reports whether the last record was not only read ahead but also taken.
func (c *cursor) drained() bool { return c.done && c.pos == len(c.buf) }

func (c *cursor) fill() (bool, error) {
	if c.chunk == 0 {
		c.chunk = 16
	}
	clear(c.buf) // release the payloads
	buf, err := c.q.Read(c.after, c.chunk, c.buf[:0])
	c.buf, c.pos = buf, 0
	if err != nil {
		return false, err
	}
	size := 1
	for i := range c.buf {
		if n := c.buf[i].Gap; n > 0 {
			c.lost(n, c.buf[i].Time)
		}
	}
	for i := range c.buf {
		if c.ends && c.buf[i].Seq > c.end {
			c.buf = c.buf[:i]
			c.done = true
			break
		}
		size += len(c.buf[i].Data)
	}
	if len(c.buf) == 0 {
		c.done = c.ends
		return false, nil
	}
	c.after = c.buf[len(c.buf)-1].Seq
	c.chunk = min(readAheadItems, max(1, readAheadBytes*len(c.buf)/size))
	return true, nil
}

// bucket is a token bucket over messages and bytes that holds one second's worth.
type bucket struct {
	rate            Rate
	messages, bytes float64
	last            time.Time
}

func newBucket(rate Rate, now time.Time) bucket {
	return bucket{rate: rate, messages: max(1, rate.Messages), bytes: rate.Bytes, last: now}
}

// wait returns how long it is until a message may go; 0 is now. A message may be larger than a
// second's worth of bytes: it goes when the bucket is full, and the debt is paid after.
func (b *bucket) wait(now time.Time) time.Duration {
	dt := max(0, now.Sub(b.last).Seconds())
	b.last = now
	var wait float64
	if r := b.rate.Messages; r > 0 {
		b.messages = min(b.messages+dt*r, max(1, r))
		wait = max(wait, (1-b.messages)/r)
	}
	if r := b.rate.Bytes; r > 0 {
		b.bytes = min(b.bytes+dt*r, r)
		wait = max(wait, -b.bytes/r)
	}
	if wait <= 0 {
		return 0
	}
	return max(time.Millisecond, time.Duration(wait*float64(time.Second)))
}

func (b *bucket) spend(bytes int) {
	b.messages--
	b.bytes -= float64(bytes)
}
