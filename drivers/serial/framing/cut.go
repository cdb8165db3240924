package framing

import (
	"bytes"
	"fmt"
	"regexp"

	"sensorgate/drivers/field"
)

// LineCutter cuts at CR or LF. Empty lines are skipped, so CR LF is one end.
type LineCutter struct {
	Max      int
	overlong bool // in the middle of a line that was given up
}

// Most implements Cutter.
func (c *LineCutter) Most() int { return 2 * c.Max }

// Cut implements Cutter.
func (c *LineCutter) Cut(buf []byte) Cut {
	from := 0
	if !c.overlong {
		for from < len(buf) && isEOL(buf[from]) {
			from++
		}
	}
	for i := from; i < len(buf); i++ {
		switch {
		case !isEOL(buf[i]):
		case c.overlong:
			c.overlong = false
			return Cut{Next: i, Err: ErrPassOver}
		case i-from > c.Max:
			return Cut{Next: i, Err: c.tooLong()}
		default:
			return Cut{From: from, To: i, Next: i + 1}
		}
	}
	switch {
	case c.overlong:
		return Cut{Next: len(buf), More: true}
	case len(buf)-from > c.Max:
		c.overlong = true
		return Cut{Next: len(buf), Err: c.tooLong()}
	}
	return Cut{Next: from, More: true}
}

func (c *LineCutter) tooLong() error { return fmt.Errorf("line longer than %d bytes", c.Max) }

func isEOL(b byte) bool { return b == '\n' || b == '\r' }

// syncCutter cuts frames that begin with certain bytes and have a known length.
type syncCutter struct {
	sync   field.Pattern
	length func(frame []byte) (n int, more bool, err error)

	checked bool // verify has a check sum to go by
	verify  func(frame []byte) error
	max     int
}

func (c *syncCutter) Most() int { return c.max }

func (c *syncCutter) Cut(buf []byte) Cut {
	from := c.find(buf)
	rest := buf[from:]
	if len(rest) < max(len(c.sync.Bytes), 1) {
		return Cut{Next: from, More: true}
	}
	n, more, err := c.length(rest)
	switch {
	case err != nil:
	case more:
		return Cut{Next: from, More: true}
	case n < len(c.sync.Bytes) || n < 1 || n > c.max:
		err = fmt.Errorf("length %d is not from %d to %d", n, max(len(c.sync.Bytes), 1), c.max)
	case len(rest) < n:
		return Cut{Next: from, More: true}
	default:
		err = c.verify(rest[:n])
	}
	if err == ErrPassOver && c.checked {
		return Cut{Next: from + n, Err: err} // whole, but not for us
	}
	if err != nil {
		// A frame cut short swallows the beginning of the next one: look on inside.
		return Cut{Next: from + 1, Err: err}
	}
	return Cut{From: from, To: from + n, Next: from + n}
}

// find returns the first place where a frame may begin.
func (c *syncCutter) find(buf []byte) int {
	if len(c.sync.Bytes) == 0 {
		return 0
	}
	for from := 0; ; from++ {
		i := bytes.IndexByte(buf[from:], c.sync.Bytes[0])
		if i < 0 {
			return len(buf)
		}
		from += i
		if c.sync.Match(buf[from:]) || couldMatch(&c.sync, buf[from:]) {
			return from
		}
	}
}

// couldMatch reports whether buf is shorter than p and agrees with it so far.
func couldMatch(p *field.Pattern, buf []byte) bool {
	if len(buf) >= len(p.Bytes) {
		return false
	}
	short := field.Pattern{Bytes: p.Bytes[:len(buf)], Any: p.Any[:len(buf)]}
	return short.Match(buf)
}

// TextCutter cuts from a start text to an end text and tail bytes after it. Without
// a start, a block is everything up to the end.
type TextCutter struct {
	Start, End []byte
	Tail       int                      // bytes after End that belong to the block
	ToEOL      bool                     // the tail goes on to the end of the line
	Drop       *regexp.Regexp           // taken out of a block before it is looked at; nil: nothing
	Verify     func(block []byte) error // reports what is wrong with a block, or nil
	Max        int                      // bytes of the longest block
}

// Most implements Cutter.
func (c *TextCutter) Most() int { return c.Max }

// Cut implements Cutter.
func (c *TextCutter) Cut(buf []byte) Cut {
	from := bytes.Index(buf, c.Start) // 0 without a start
	if from < 0 {
		// The start may be half here.
		return Cut{Next: max(0, len(buf)-len(c.Start)+1), More: true}
	}
	end := bytes.Index(buf[from+len(c.Start):], c.End)
	if end < 0 {
		return Cut{Next: from, More: true}
	}
	to := from + len(c.Start) + end + len(c.End)
	if c.ToEOL {
		eol := bytes.IndexByte(buf[to:], '\n')
		if eol < 0 {
			return Cut{Next: from, More: true}
		}
		to += eol + 1
	}
	if to += c.Tail; to > len(buf) {
		return Cut{Next: from, More: true}
	}
	clean := buf[from:to]
	if c.Drop != nil {
		clean = c.Drop.ReplaceAll(clean, nil)
	}
	err := c.Verify(clean)
	if to-from > c.Max {
		err = fmt.Errorf("block longer than %d bytes", c.Max)
	}
	switch {
	case err == nil:
		return Cut{From: from, To: to, Next: to, Clean: clean}
	case len(c.Start) > 0 && err != ErrPassOver:
		return Cut{Next: from + 1, Err: err}
	default:
		return Cut{Next: to, Err: err} // a byte less of the same block is no better
	}
}

// gapCutter is for frames that only silence ends.
type gapCutter struct {
	verify func(frame []byte) error
	max    int
}

func (c *gapCutter) Most() int { return c.max }

func (c *gapCutter) Cut(buf []byte) Cut {
	if err := c.verify(buf); err != nil {
		return Cut{Next: len(buf), Err: err}
	}
	return Cut{To: len(buf), Next: len(buf)}
}
