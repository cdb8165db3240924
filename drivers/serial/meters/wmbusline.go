package meters

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"sensorgate/drivers/field"
)

// A telegram of wireless M-Bus, without the sums of its blocks (EN 13757-4, OMS
// specification volume 2, 5.2): L, the number of bytes behind it, C, the maker in two
// bytes, the identification in four, version, medium; then CI and what belongs to it.
const wmbusHeadSize = 10

// wmbusAddress is who sends a telegram.
type wmbusAddress struct {
	makerCode [2]byte
	id        [4]byte
	version   byte
	medium    byte
}

func wmbusHead(telegram []byte) wmbusAddress {
	return wmbusAddress{
		makerCode: [2]byte(telegram[2:4]), id: [4]byte(telegram[4:8]), version: telegram[8], medium: telegram[9],
	}
}

// number is the identification as it is printed on the meter.
func (a *wmbusAddress) number() string {
	return fmt.Sprintf("%08X", binary.LittleEndian.Uint32(a.id[:]))
}

// maker is the maker's three letters.
func (a *wmbusAddress) maker() string { return mbusMaker(binary.LittleEndian.Uint16(a.makerCode[:])) }

// mediumName is what is metered, of the media that people look for. EN 13757-3, table 3.
func (a *wmbusAddress) mediumName() string {
	switch a.medium {
	case 0x02:
		return "electricity"
	case 0x03:
		return "gas"
	case 0x04, 0x0C, 0x0D:
		return "heat"
	case 0x06:
		return "hot water"
	case 0x07, 0x16:
		return "water"
	case 0x08:
		return "heat cost"
	case 0x1A:
		return "smoke"
	case 0x1B:
		return "room"
	}
	return fmt.Sprintf("medium %02X", a.medium)
}

var errWMBusShort = errors.New("telegram cut short")

// wmbusLine returns the telegram that a receiver printed, without the sums; nil if the
// line is something else. Three receivers are known by the look of their lines:
//
//	CUL (culfw)    b2E44… with the sums of format A, or bY… with those of format B
//	rtl_wmbus      T1;1;1;2026-11-30 12:00:00.000;97;148;88888888;0x2e44…
//	Elvaco CMeX50  00028954; ELV;20;1B;00; -83; T;5744…;
func wmbusLine(line []byte) ([]byte, error) {
	line = bytes.TrimSpace(line)
	switch {
	case len(line) > 1 && line[0] == 'b' && line[1] == 'Y':
		p, err := wmbusDigits(line[2:])
		if err != nil {
			return nil, err
		}
		return wmbusFormatB(p)
	case len(line) > 1 && line[0] == 'b' && isHex(line[1]):
		p, err := wmbusDigits(line[1:])
		if err != nil {
			return nil, err
		}
		return wmbusFormatA(p)
	}
	parts := bytes.Split(line, []byte(";"))
	switch {
	case len(parts) == 8 && len(parts[0]) == 2 && bytes.HasPrefix(parts[7], []byte("0x")): // rtl_wmbus
		if string(parts[1]) != "1" {
			return nil, errors.New("the receiver reports a wrong sum")
		}
		return wmbusWhole(parts[7][2:])
	case len(parts) == 9 && len(parts[0]) == 8 && len(parts[8]) == 0: // Elvaco
		return wmbusWhole(parts[7])
	}
	return nil, nil
}

func isHex(b byte) bool { return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F' }

func wmbusDigits(text []byte) ([]byte, error) {
	p, err := hex.DecodeString(string(text))
	if err != nil {
		return nil, fmt.Errorf("telegram: %w", err)
	}
	if len(p) == 0 {
		return nil, errWMBusShort
	}
	return p, nil
}

// wmbusWhole is a telegram whose sums the receiver has looked at and taken out. Older
// rtl_wmbus leave in L what the sums took.
func wmbusWhole(digits []byte) ([]byte, error) {
	p, err := wmbusDigits(digits)
	if err != nil {
		return nil, err
	}
	if n := int(p[0]) + 1; n < len(p) {
		p = p[:n]
	}
	if len(p) <= wmbusHeadSize {
		return nil, errWMBusShort
	}
	return p, nil
}

var wmbusSum = field.Must("crc16-en-13757")

// Blocks of EN 13757-4, 12.3: format A has the head in the first and 16 bytes in each
// other one; format B has head and data in one of at most 128 bytes, and the rest in another.
const (
	wmbusBlockA = 16
	wmbusBlockB = 126
	wmbusSumLen = 2
)

// wmbusFormatA checks and takes out the sums, which L does not count. What a receiver
// appends (a CUL: link quality and field strength) is cut off.
func wmbusFormatA(p []byte) ([]byte, error) {
	length := int(p[0]) + 1
	out := make([]byte, 0, length)
	for size := wmbusHeadSize; len(out) < length; size = wmbusBlockA {
		n := min(size, length-len(out))
		block, err := wmbusBlock(p, n)
		if err != nil {
			return nil, err
		}
		out, p = append(out, block...), p[n+wmbusSumLen:]
	}
	if len(out) <= wmbusHeadSize {
		return nil, errWMBusShort
	}
	return out, nil
}

// wmbusFormatB checks and takes out the sums, which L counts.
func wmbusFormatB(p []byte) ([]byte, error) {
	left := int(p[0]) + 1
	var out []byte
	for left > 0 {
		n := min(wmbusBlockB, left-wmbusSumLen)
		if n <= 0 {
			return nil, errWMBusShort
		}
		block, err := wmbusBlock(p, n)
		if err != nil {
			return nil, err
		}
		out, p, left = append(out, block...), p[n+wmbusSumLen:], left-n-wmbusSumLen
	}
	if len(out) <= wmbusHeadSize {
		return nil, errWMBusShort
	}
	out[0] = byte(len(out) - 1)
	return out, nil
}

// wmbusBlock returns the n bytes that p begins with, whose sum is behind them.
func wmbusBlock(p []byte, n int) ([]byte, error) {
	if len(p) < n+wmbusSumLen {
		return nil, errWMBusShort
	}
	if got, want := uint16(wmbusSum.Of(p[:n])), binary.BigEndian.Uint16(p[n:]); got != want {
		return nil, fmt.Errorf("checksum: crc16-en-13757 is %04X, the telegram says %04X", got, want)
	}
	return p[:n], nil
}
