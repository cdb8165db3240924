package field

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"

	"sensorgate/drivers"
)

// Check says which part of a frame is protected by which sum, and where the sum stands.
type Check struct {
	Kind     Sum     `toml:"kind" example:"\"crc16-modbus\"" doc:"The name of the checksum: sum8, sum16, neg8, inv8, xor8, crc16-modbus, and others that a wrong name lists."`
	CRC      *CRC    `toml:"crc" example:"{ width = 16, poly = 0x1021, init = 0xFFFF, refin = true, refout = true }" doc:"A CRC that has no name here, by its parameters: { width = 16, poly = 0x1021, init = 0xFFFF, refin = true, refout = true }."`
	From     int     `toml:"from" example:"0" doc:"The first byte that the checksum protects; a negative number counts from the end."`
	To       *int    `toml:"to" example:"-2" doc:"The byte after the last one that the checksum protects; default: where the checksum stands."`
	At       *int    `toml:"at" example:"-2" doc:"Where the checksum stands; a negative number counts from the end."`
	After    string  `toml:"after" example:"\"!\"" doc:"Instead of at: the checksum stands after the last occurrence of this text."`
	Order    Order   `toml:"order" example:"\"little\"" doc:"The order in which the bytes of the checksum come: big or little."`
	Hex      bool    `toml:"hex" doc:"The checksum is written in hexadecimal digits."`
	Equals   *uint64 `toml:"equals" example:"0" doc:"Instead of at: the value that the checksum over everything must have."`
	Optional bool    `toml:"optional" doc:"A frame without digits where the checksum should be is accepted; needs hex = true."`
}

// Check is called when the file is read.
func (c *Check) Check() error {
	if c.CRC != nil {
		s, err := c.CRC.Sum()
		if err != nil {
			return &drivers.KeyError{Key: "crc", Problem: err.Error()}
		}
		c.Kind = s
	}
	switch {
	case !c.Kind.Known():
		return &drivers.KeyError{Key: "kind", Problem: "found neither kind nor crc", Try: `kind = "sum16"`}
	case c.ways() != 1:
		return &drivers.KeyError{Key: "at", Problem: fmt.Sprintf("found %d of at, after and equals", c.ways()), Expected: "exactly one", Try: fmt.Sprintf("at = %d", -c.Kind.Size())}
	case c.Optional && !c.Hex:
		return &drivers.KeyError{Key: "optional", Problem: "only a sum in digits (hex = true) can be found missing"}
	}
	return nil
}

func (c *Check) ways() (n int) {
	for _, given := range []bool{c.At != nil, c.After != "", c.Equals != nil} {
		if given {
			n++
		}
	}
	return n
}

// Verify reports what is wrong with frame, or nil.
func (c *Check) Verify(frame []byte) error {
	if c.Equals != nil {
		from, to := place(c.From, len(frame)), len(frame)
		if c.To != nil {
			to = place(*c.To, len(frame))
		}
		if from < 0 || from > to || to > len(frame) {
			return fmt.Errorf("%d bytes are too short", len(frame))
		}
		if got := c.Kind.Of(frame[from:to]); got != *c.Equals {
			return fmt.Errorf("checksum: %s is %X, not %X", c.Kind.name, got, *c.Equals)
		}
		return nil
	}
	at := c.stands(frame)
	from, to := place(c.From, len(frame)), at
	if c.To != nil {
		to = place(*c.To, len(frame))
	}
	if at < 0 || from < 0 || from > to || to > len(frame) || at > len(frame) {
		return fmt.Errorf("%d bytes are too short", len(frame))
	}
	want, err := c.read(frame[at:])
	if err != nil || c.Optional && want < 0 {
		return err
	}
	if got := c.Kind.Of(frame[from:to]); got != uint64(want) {
		return fmt.Errorf("checksum: %s is %0*X, the frame says %0*X", c.Kind.name, 2*c.Kind.Size(), got, 2*c.Kind.Size(), want)
	}
	return nil
}

// stands returns the place of the sum, or -1.
func (c *Check) stands(frame []byte) int {
	if c.At != nil {
		return place(*c.At, len(frame))
	}
	i := bytes.LastIndex(frame, []byte(c.After))
	if i < 0 {
		return -1
	}
	return i + len(c.After)
}

// read takes the sum out of the frame; -1 is none.
func (c *Check) read(p []byte) (int64, error) {
	var stored [4]byte // no Sum is wider
	size := c.Kind.Size()
	raw := stored[4-size:]
	switch {
	case c.Hex:
		digits := hexDigits(p[:min(len(p), 2*size)])
		if digits == 0 && c.Optional {
			return -1, nil
		}
		if digits == 0 {
			return 0, errors.New("checksum: no digits")
		}
		// Some meters leave leading zeros out.
		var padded [8]byte
		for i := range padded {
			padded[i] = '0'
		}
		copy(padded[8-digits:], p[:digits])
		hex.Decode(stored[:], padded[:])
	case len(p) < size:
		return 0, errors.New("checksum: cut short")
	default:
		c.Order.toBig(raw, p[:size])
	}
	return int64(stored[0])<<24 | int64(stored[1])<<16 | int64(stored[2])<<8 | int64(stored[3]), nil
}

func hexDigits(p []byte) int {
	for i, b := range p {
		if !(b >= '0' && b <= '9' || b >= 'A' && b <= 'F' || b >= 'a' && b <= 'f') {
			return i
		}
	}
	return len(p)
}

// place resolves an offset that may count from the end.
func place(at, length int) int {
	if at < 0 {
		return at + length
	}
	return at
}
