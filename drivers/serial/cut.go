package serial

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"

	"sensorgate/drivers/field"
)

// lineCutter cuts at CR or LF. Empty lines are skipped, so CR LF is one end.
type lineCutter struct {
	max      int
	overlong bool // in the middle of a line that was given up
}

func (c *lineCutter) most() int { return 2 * c.max }

func (c *lineCutter) cut(buf []byte) cut {
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
			return cut{next: i, err: errPassOver}
		case i-from > c.max:
			return cut{next: i, err: c.tooLong()}
		default:
			return cut{from: from, to: i, next: i + 1}
		}
	}
	switch {
	case c.overlong:
		return cut{next: len(buf), more: true}
	case len(buf)-from > c.max:
		c.overlong = true
		return cut{next: len(buf), err: c.tooLong()}
	}
	return cut{next: from, more: true}
}

func (c *lineCutter) tooLong() error { return fmt.Errorf("line longer than %d bytes", c.max) }

func isEOL(b byte) bool { return b == '\n' || b == '\r' }

// syncCutter cuts frames that begin with certain bytes and have a known length.
type syncCutter struct {
	sync   field.Pattern
	length func(frame []byte) (n int, more bool, err error)

	checked bool // verify has a check sum to go by
	verify  func(frame []byte) error
	max     int
}

func (c *syncCutter) most() int { return c.max }

func (c *syncCutter) cut(buf []byte) cut {
	from := c.find(buf)
	rest := buf[from:]
	if len(rest) < max(len(c.sync.Bytes), 1) {
		return cut{next: from, more: true}
	}
	n, more, err := c.length(rest)
	switch {
	case err != nil:
	case more:
		return cut{next: from, more: true}
	case n < len(c.sync.Bytes) || n < 1 || n > c.max:
		err = fmt.Errorf("length %d is not from %d to %d", n, max(len(c.sync.Bytes), 1), c.max)
	case len(rest) < n:
		return cut{next: from, more: true}
	default:
		err = c.verify(rest[:n])
	}
	if err == errPassOver && c.checked {
		return cut{next: from + n, err: err} // whole, but not for us
	}
	if err != nil {
		// A frame cut short swallows the beginning of the next one: look on inside.
		return cut{next: from + 1, err: err}
	}
	return cut{from: from, to: from + n, next: from + n}
}

// find gives the first place where a frame may begin.
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

// textCutter cuts from a start text to an end text and tail bytes after it. Without
// a start, a block is everything up to the end.
type textCutter struct {
	start, end []byte
	tail       int
	toEOL      bool           // the tail goes on to the end of the line
	drop       *regexp.Regexp // taken out of a block before it is looked at; nil: nothing
	verify     func(frame []byte) error
	max        int
}

func (c *textCutter) most() int { return c.max }

func (c *textCutter) cut(buf []byte) cut {
	from := bytes.Index(buf, c.start) // 0 without a start
	if from < 0 {
		// The start may be half here.
		return cut{next: max(0, len(buf)-len(c.start)+1), more: true}
	}
	end := bytes.Index(buf[from+len(c.start):], c.end)
	if end < 0 {
		return cut{next: from, more: true}
	}
	to := from + len(c.start) + end + len(c.end)
	if c.toEOL {
		eol := bytes.IndexByte(buf[to:], '\n')
		if eol < 0 {
			return cut{next: from, more: true}
		}
		to += eol + 1
	}
	if to += c.tail; to > len(buf) {
		return cut{next: from, more: true}
	}
	clean := buf[from:to]
	if c.drop != nil {
		clean = c.drop.ReplaceAll(clean, nil)
	}
	err := c.verify(clean)
	if to-from > c.max {
		err = fmt.Errorf("block longer than %d bytes", c.max)
	}
	switch {
	case err == nil:
		return cut{from: from, to: to, next: to, clean: clean}
	case len(c.start) > 0 && err != errPassOver:
		return cut{next: from + 1, err: err}
	default:
		return cut{next: to, err: err} // a byte less of the same block is no better
	}
}

// gapCutter is for frames that only silence ends.
type gapCutter struct {
	verify func(frame []byte) error
	max    int
}

func (c *gapCutter) most() int { return c.max }

func (c *gapCutter) cut(buf []byte) cut {
	if err := c.verify(buf); err != nil {
		return cut{next: len(buf), err: err}
	}
	return cut{to: len(buf), next: len(buf)}
}

// errPassOver is the verdict on what is nothing to us and nothing bad: the rest of a
// line that was given up, a good frame of another kind.
var errPassOver = errors.New("nothing to us")
