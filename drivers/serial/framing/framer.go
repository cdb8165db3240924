package framing

import (
	"errors"
	"fmt"
	"time"
)

// Cutter finds frames in bytes.
type Cutter interface {
	// Cut looks at buf and returns what to do with its beginning. It may keep nothing of
	// buf, and is called again with the same beginning when more has arrived.
	Cut(buf []byte) Cut
	// Most is the number of bytes that an unfinished frame may reach.
	Most() int
}

// Cut is a Cutter's verdict. The framer goes on at Next: the frame is buf[From:To];
// with Err, what stood there is no frame; with More, buf[Next:] may become one.
type Cut struct {
	From, To, Next int
	More           bool
	Err            error
	Clean          []byte // the frame, if it is not buf[From:To] as it stands
}

// ErrPassOver is the verdict on what is neither a frame for us nor a fault: the rest of a
// line that was given up, a good frame of another kind.
var ErrPassOver = errors.New("not for this device")

// Framer cuts a stream of bytes into frames. Its memory is bounded by the longest
// frame and the longest push; it allocates nothing while bytes flow. It is for one
// goroutine.
type Framer struct {
	Cutter   Cutter
	Gap      time.Duration // silence that ends a frame; 0: silence means nothing
	GapOnly  bool          // nothing else ends a frame
	CharTime time.Duration // of one character on the wire

	buf    []byte
	start  int // of what was not yet cut
	marks  []mark
	heard  time.Time
	counts frameCounts
}

// mark holds when the bytes up to end arrived.
type mark struct {
	end int
	at  time.Time
}

// frameCounts is what a framer has seen.
type frameCounts struct {
	frames, rejected, skipped int // skipped is bytes
}

// Push adds what arrived. An earlier unfinished frame that the gap has ended must
// have been taken with Silence.
func (f *Framer) Push(p []byte, at time.Time) {
	f.compact()
	f.buf = append(f.buf, p...)
	f.marks = append(f.marks, mark{len(f.buf), at})
	f.heard = at.Add(time.Duration(len(p)) * f.CharTime)
}

// compact moves what is left to the front of the buffer.
func (f *Framer) compact() {
	if f.start == 0 {
		return
	}
	f.buf = f.buf[:copy(f.buf, f.buf[f.start:])]
	kept := f.marks[:0]
	for _, m := range f.marks {
		if m.end > f.start {
			kept = append(kept, mark{m.end - f.start, m.at})
		}
	}
	f.marks, f.start = kept, 0
}

// Next returns the next frame and when its first byte came, or an error for something
// that was none, or ok = false when more bytes are needed. The frame is valid until the
// next Push.
func (f *Framer) Next() (frame []byte, at time.Time, err error, ok bool) {
	if f.GapOnly {
		return f.nextOfGap()
	}
	rest := f.buf[f.start:]
	c := f.Cutter.Cut(rest)
	for ; c.Err == ErrPassOver; c = f.Cutter.Cut(rest) {
		f.skip(c.Next)
		rest = f.buf[f.start:]
	}
	switch {
	case len(rest) == 0:
		return nil, time.Time{}, nil, false
	case c.More && len(rest)-c.Next > f.Cutter.Most():
		f.skip(c.Next + 1) // the beginning of something that never ends
		f.counts.rejected++
		return nil, time.Time{}, fmt.Errorf("no end within %d bytes", f.Cutter.Most()), true
	case c.More:
		f.skip(c.Next)
		return nil, time.Time{}, nil, false
	case c.Err != nil:
		f.skip(c.Next)
		f.counts.rejected++
		return nil, time.Time{}, c.Err, true
	}
	f.counts.frames++
	f.counts.skipped += c.From
	frame, at = rest[c.From:c.To], f.timeOf(f.start+c.From)
	f.start += c.Next
	if c.Clean != nil {
		frame = c.Clean
	}
	return frame, at, nil, true
}

func (f *Framer) nextOfGap() (frame []byte, at time.Time, err error, ok bool) {
	if n := len(f.buf) - f.start; n > f.Cutter.Most() {
		f.skip(n)
		f.counts.rejected++
		return nil, time.Time{}, fmt.Errorf("no pause within %d bytes", f.Cutter.Most()), true
	}
	return nil, time.Time{}, nil, false
}

// Silence must be called when nothing has come for Gap. What is in the buffer is a frame if
// only gaps end frames, and otherwise was cut short. It returns what Next does.
func (f *Framer) Silence() (frame []byte, at time.Time, err error, ok bool) {
	rest := f.buf[f.start:]
	if f.Gap == 0 || len(rest) == 0 {
		return nil, time.Time{}, nil, false
	}
	at = f.timeOf(f.start)
	f.start = len(f.buf)
	if !f.GapOnly {
		f.counts.rejected++
		return nil, at, fmt.Errorf("frame cut short: silence after %d bytes", len(rest)), true
	}
	if c := f.Cutter.Cut(rest); c.Err != nil {
		f.counts.rejected++
		return nil, at, c.Err, true
	}
	f.counts.frames++
	return rest, at, nil, true
}

// Unfinished reports whether there are bytes that may become a frame.
func (f *Framer) Unfinished() bool { return f.start < len(f.buf) }

// Reset forgets an unfinished frame, because the port was lost in the middle of it.
func (f *Framer) Reset() { f.start = len(f.buf) }

func (f *Framer) skip(n int) {
	f.start += n
	f.counts.skipped += n
}

// timeOf is when the byte at pos came.
func (f *Framer) timeOf(pos int) time.Time {
	start := 0
	for _, m := range f.marks {
		if pos < m.end {
			return m.at.Add(time.Duration(pos-start) * f.CharTime)
		}
		start = m.end
	}
	return f.heard
}
