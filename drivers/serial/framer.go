package serial

import (
	"fmt"
	"time"
)

// cutter finds frames in bytes.
type cutter interface {
	// cut looks at buf and says what to do with its beginning.
	cut(buf []byte) cut
	// most is the length that an unfinished frame may reach.
	most() int
}

// cut is a cutter's verdict. The framer goes on at next: the frame is buf[from:to];
// with err, what stood there is no frame; with more, buf[next:] may become one.
type cut struct {
	from, to, next int
	more           bool
	err            error
	clean          []byte // the frame, if it is not buf[from:to] as it stands
}

// framer cuts a stream of bytes into frames. Its memory is bounded by the longest
// frame and the longest push; it allocates nothing while bytes flow.
type framer struct {
	cutter   cutter
	gap      time.Duration // silence that ends a frame; 0: silence means nothing
	gapOnly  bool          // nothing else ends a frame
	charTime time.Duration

	buf    []byte
	start  int // of what was not yet cut
	marks  []mark
	heard  time.Time
	counts frameCounts
}

// frameCounts is what a framer has seen.
type frameCounts struct {
	frames, rejected, skipped int // skipped is bytes
}

// push adds what arrived. An earlier unfinished frame that the gap has ended must
// have been taken with silence.
func (f *framer) push(p []byte, at time.Time) {
	f.compact()
	f.buf = append(f.buf, p...)
	f.marks = append(f.marks, mark{len(f.buf), at})
	f.heard = at.Add(time.Duration(len(p)) * f.charTime)
}

// compact moves what is left to the front of the buffer.
func (f *framer) compact() {
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

// next gives the next frame, or an error for something that was none, or ok = false
// when more bytes are needed. The frame is valid until the next push.
func (f *framer) next() (frame []byte, at time.Time, err error, ok bool) {
	if f.gapOnly {
		return f.nextOfGap()
	}
	rest := f.buf[f.start:]
	c := f.cutter.cut(rest)
	for ; c.err == errPassOver; c = f.cutter.cut(rest) {
		f.skip(c.next)
		rest = f.buf[f.start:]
	}
	switch {
	case len(rest) == 0:
		return nil, time.Time{}, nil, false
	case c.more && len(rest)-c.next > f.cutter.most():
		f.skip(c.next + 1) // the beginning of something that never ends
		f.counts.rejected++
		return nil, time.Time{}, fmt.Errorf("no end within %d bytes", f.cutter.most()), true
	case c.more:
		f.skip(c.next)
		return nil, time.Time{}, nil, false
	case c.err != nil:
		f.skip(c.next)
		f.counts.rejected++
		return nil, time.Time{}, c.err, true
	}
	f.counts.frames++
	f.counts.skipped += c.from
	frame, at = rest[c.from:c.to], f.timeOf(f.start+c.from)
	f.start += c.next
	if c.clean != nil {
		frame = c.clean
	}
	return frame, at, nil, true
}

func (f *framer) nextOfGap() (frame []byte, at time.Time, err error, ok bool) {
	if n := len(f.buf) - f.start; n > f.cutter.most() {
		f.skip(n)
		f.counts.rejected++
		return nil, time.Time{}, fmt.Errorf("no pause within %d bytes", f.cutter.most()), true
	}
	return nil, time.Time{}, nil, false
}

// silence is told that nothing has come for gap. What is in the buffer is a frame if
// only gaps end frames, and otherwise was cut short.
func (f *framer) silence() (frame []byte, at time.Time, err error, ok bool) {
	rest := f.buf[f.start:]
	if f.gap == 0 || len(rest) == 0 {
		return nil, time.Time{}, nil, false
	}
	at = f.timeOf(f.start)
	f.start = len(f.buf)
	if !f.gapOnly {
		f.counts.rejected++
		return nil, at, fmt.Errorf("frame cut short: silence after %d bytes", len(rest)), true
	}
	if c := f.cutter.cut(rest); c.err != nil {
		f.counts.rejected++
		return nil, at, c.err, true
	}
	f.counts.frames++
	return rest, at, nil, true
}

// unfinished reports whether there are bytes that may become a frame.
func (f *framer) unfinished() bool { return f.start < len(f.buf) }

// reset forgets an unfinished frame, because the port was lost in the middle of it.
func (f *framer) reset() { f.start = len(f.buf) }

func (f *framer) skip(n int) {
	f.start += n
	f.counts.skipped += n
}

// timeOf is when the byte at pos came.
func (f *framer) timeOf(pos int) time.Time {
	start := 0
	for _, m := range f.marks {
		if pos < m.end {
			return m.at.Add(time.Duration(pos-start) * f.charTime)
		}
		start = m.end
	}
	return f.heard
}
