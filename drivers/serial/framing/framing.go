package framing

import (
	"fmt"
	"regexp"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
)

// Framing says where frames begin and end and how they are known to be whole.
type Framing struct {
	Sync   field.Pattern  `toml:"sync" example:"\"42 4D\"" doc:"The bytes that a frame begins with; ?? is any byte: \"42 4D\", \"AA ?? C0\"."`
	Length *Length        `toml:"length" example:"{ at = 2, type = \"u16\", add = 4 }" doc:"The length of a frame, { fixed = 10 }, or where in the frame it stands, { at = 2, type = \"u16\", add = 4 }."`
	Start  string         `toml:"start" example:"\"/\"" doc:"The text that a block begins with."`
	End    string         `toml:"end" example:"\"!\\r\\n\"" doc:"The text that a block ends with."`
	Tail   int            `toml:"tail" example:"4" doc:"The number of bytes after end that still belong to the block."`
	ToEOL  bool           `toml:"to_eol" doc:"If true, the rest of the line after end still belongs to the block."`
	Gap    time.Duration  `toml:"gap" doc:"A silence of this length ends a frame."`
	Max    int            `toml:"max" example:"256" doc:"The length of the longest frame, in bytes."`
	Check  *field.Check   `toml:"check" example:"{ kind = \"sum16\", at = -2 }" doc:"The check sum or CRC of a frame: { kind = \"sum16\", at = -2 }."`
	Only   []Fixed        `toml:"only" example:"" doc:"Bytes that a frame must have, to tell it from frames of other kinds: [{ at = 9, equals = \"AB\" }]."`
	Ignore []Fixed        `toml:"ignore" example:"[{ at = 2, equals = \"FF FF\" }]" doc:"Bytes that a frame without values has, such as one from before the sensor was ready: [{ at = 2, equals = \"00 00 00 00\" }]; it is passed over."`
	Drop   *regexp.Regexp `toml:"drop" example:"'\\[debug\\][^\\n]*\\n'" doc:"A regular expression; what matches is taken out of a block before it is checked, such as messages of another kind in between."`
}

// Length of a frame.
type Length struct {
	Fixed int         `toml:"fixed" example:"32" doc:"The number of bytes of every frame."`
	At    *int        `toml:"at" example:"4" doc:"The place of the length in the frame, counted from 0."`
	Type  field.Type  `toml:"type" example:"\"u8\"" doc:"The type of the length: u8, u16 and so on."`
	Order field.Order `toml:"order" example:"\"little\"" doc:"The byte order of the length, big or little."`
	Add   int         `toml:"add" example:"2" doc:"The number of bytes that the length does not count."`
	Times int         `toml:"times" example:"4" doc:"The number of bytes that one unit of the length stands for; the default is 1."`
}

// Fixed is what a frame has in certain places.
type Fixed struct {
	At     int           `toml:"at" example:"4" doc:"The place of the first byte; a negative one counts from the end."`
	Equals field.Pattern `toml:"equals" example:"\"AB\"" doc:"The bytes that must stand there; ?? is any byte."`
}

const maxFrame = 64 << 10

// check is called by the driver's own Check.
func (f *Framing) check() error {
	binary, text := len(f.Sync.Bytes) > 0 || f.Length != nil, f.Start != "" || f.End != ""
	switch {
	case binary && text:
		return &drivers.KeyError{Key: "end", Problem: "found sync or length, and start or end", Expected: "one way to cut frames"}
	case text && f.End == "":
		return &drivers.KeyError{Key: "end", Problem: "found start without end"}
	case len(f.Sync.Bytes) > 0 && f.Length == nil:
		return &drivers.KeyError{Key: "length", Problem: "found sync without length", Try: "length = { fixed = 10 }"}
	case !binary && !text && f.Gap == 0:
		return &drivers.KeyError{Key: "sync", Problem: "found no way to cut frames", Expected: "sync and length, or start and end, or gap"}
	case f.Drop != nil && !text:
		return &drivers.KeyError{Key: "drop", Problem: "only blocks of text (start, end) can have something in between"}
	case f.Gap < 0 || f.Gap > time.Minute:
		return &drivers.KeyError{Key: "gap", Problem: fmt.Sprintf("found %v, expected up to 1m", f.Gap)}
	case f.Max < 1 || f.Max > maxFrame:
		return &drivers.KeyError{Key: "max", Problem: fmt.Sprintf("found %d, expected 1 to %d", f.Max, maxFrame)}
	case f.Tail < 0 || f.Tail > 1024:
		return &drivers.KeyError{Key: "tail", Problem: fmt.Sprintf("found %d, expected 0 to 1024", f.Tail)}
	}
	if f.Length != nil {
		if err := drivers.Nested("length", f.Length.check()); err != nil {
			return err
		}
		if len(f.Sync.Bytes) == 0 && f.Gap == 0 && f.Check == nil {
			return &drivers.KeyError{Key: "length", Problem: "found length, but neither sync, check nor gap: the frames would never be found", Try: `gap = "20ms"`}
		}
	}
	if f.Check != nil {
		return drivers.Nested("check", f.Check.Check())
	}
	return nil
}

func (l *Length) check() error {
	switch {
	case (l.Fixed > 0) == (l.At != nil):
		return &drivers.KeyError{Key: "fixed", Problem: "found neither or both of fixed and at", Expected: "one of them"}
	case l.Fixed < 0 || l.Fixed > maxFrame:
		return &drivers.KeyError{Key: "fixed", Problem: fmt.Sprintf("found %d, expected 1 to %d", l.Fixed, maxFrame)}
	case l.At != nil && (*l.At < 0 || *l.At > 1024):
		return &drivers.KeyError{Key: "at", Problem: fmt.Sprintf("found %d, expected 0 to 1024", *l.At)}
	case l.Times < 0 || l.Times > 16:
		return &drivers.KeyError{Key: "times", Problem: fmt.Sprintf("found %d, expected 1 to 16", l.Times)}
	}
	return nil
}

// of returns the length of the frame that begins with p, or that more is needed.
func (l *Length) of(p []byte) (n int, more bool, err error) {
	if l.At == nil {
		return l.Fixed, false, nil
	}
	b := field.Binary{At: *l.At, Layout: field.Layout{Type: l.Type, Order: l.Order}}
	if len(p) < b.At+b.Size() {
		return 0, true, nil
	}
	v, err := b.Decode(p)
	if err != nil {
		return 0, false, err
	}
	count, ok := v.Number()
	if !ok || count < 0 || count > maxFrame {
		return 0, false, fmt.Errorf("length %v is impossible", v)
	}
	return int(count)*max(l.Times, 1) + l.Add, false, nil
}

// framer makes the framer that f describes.
func (f *Framing) framer() Framer {
	out := Framer{Gap: f.Gap}
	switch {
	case f.Length != nil:
		out.Cutter = &syncCutter{sync: f.Sync, length: f.Length.of, checked: f.Check != nil, verify: f.verify, max: f.Max}
	case f.End != "":
		out.Cutter = &TextCutter{Start: []byte(f.Start), End: []byte(f.End), Tail: f.Tail, ToEOL: f.ToEOL, Drop: f.Drop, Verify: f.verify, Max: f.Max}
	default:
		out.Cutter = &gapCutter{verify: f.verify, max: f.Max}
		out.GapOnly = true
	}
	return out
}

// verify reports what is wrong with a frame, or that it is of another kind.
func (f *Framing) verify(frame []byte) error {
	if f.Check != nil {
		if err := f.Check.Verify(frame); err != nil {
			return err
		}
	}
	for i := range f.Only {
		if !f.Only[i].in(frame) {
			return ErrPassOver
		}
	}
	for i := range f.Ignore {
		if f.Ignore[i].in(frame) {
			return ErrPassOver
		}
	}
	return nil
}

// in reports whether the frame has the bytes.
func (f *Fixed) in(frame []byte) bool {
	at := f.At
	if at < 0 {
		at += len(frame)
	}
	return at >= 0 && at <= len(frame) && f.Equals.Match(frame[at:])
}
