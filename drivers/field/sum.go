package field

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// Sum is a check sum or CRC. The zero Sum is none.
type Sum struct {
	name  string
	width int // in bits
	crc   *crcTable
	plain func([]byte) uint64
}

// plainSums are the ones that are not CRCs.
var plainSums = map[string]Sum{
	"sum8":  {name: "sum8", width: 8, plain: func(p []byte) uint64 { return add(p) & 0xFF }},
	"sum16": {name: "sum16", width: 16, plain: func(p []byte) uint64 { return add(p) & 0xFFFF }},
	"neg8":  {name: "neg8", width: 8, plain: func(p []byte) uint64 { return -add(p) & 0xFF }},
	"neg16": {name: "neg16", width: 16, plain: func(p []byte) uint64 { return -add(p) & 0xFFFF }},
	"inv8":  {name: "inv8", width: 8, plain: func(p []byte) uint64 { return ^add(p) & 0xFF }},
	"xor8": {name: "xor8", width: 8, plain: func(p []byte) uint64 {
		var x byte
		for _, b := range p {
			x ^= b
		}
		return uint64(x)
	}},
}

func add(p []byte) (n uint64) {
	for _, b := range p {
		n += uint64(b)
	}
	return n
}

// CRCs by their names in the catalogue of parametrised CRC algorithms
// (reveng.sourceforge.io/crc-catalogue), which has the check values too.
var crcs = map[string]CRC{
	"crc8-smbus":     {Width: 8, Poly: 0x07},
	"crc8-maxim":     {Width: 8, Poly: 0x31, RefIn: true, RefOut: true},
	"crc8-nrsc5":     {Width: 8, Poly: 0x31, Init: 0xFF}, // Sensirion, Aosong
	"crc8-htu21":     {Width: 8, Poly: 0x31},             // not in the catalogue: HTU21D data sheet, CRC checksum
	"crc16-modbus":   {Width: 16, Poly: 0x8005, Init: 0xFFFF, RefIn: true, RefOut: true},
	"crc16-arc":      {Width: 16, Poly: 0x8005, RefIn: true, RefOut: true}, // DSMR, SDI-12
	"crc16-x25":      {Width: 16, Poly: 0x1021, Init: 0xFFFF, RefIn: true, RefOut: true, XorOut: 0xFFFF},
	"crc16-kermit":   {Width: 16, Poly: 0x1021, RefIn: true, RefOut: true},
	"crc16-xmodem":   {Width: 16, Poly: 0x1021},
	"crc16-ccitt":    {Width: 16, Poly: 0x1021, Init: 0xFFFF}, // CCITT-FALSE, IBM-3740
	"crc16-en-13757": {Width: 16, Poly: 0x3D65, XorOut: 0xFFFF},
	"crc32":          {Width: 32, Poly: 0x04C11DB7, Init: 0xFFFFFFFF, RefIn: true, RefOut: true, XorOut: 0xFFFFFFFF},
}

// Named returns a sum by its name.
func Named(name string) (Sum, error) {
	if s, ok := plainSums[name]; ok {
		return s, nil
	}
	if c, ok := crcs[name]; ok {
		s, err := c.Sum()
		s.name = name
		return s, err
	}
	return Sum{}, fmt.Errorf("found %q, expected one of %s", name, strings.Join(sumNames(), ", "))
}

// Must returns a sum by its name, for those that a protocol prescribes. It panics on a
// name that is not in the catalogue: the name is part of the program.
func Must(name string) Sum {
	s, err := Named(name)
	if err != nil {
		panic(err)
	}
	return s
}

func sumNames() (names []string) {
	for name := range plainSums {
		names = append(names, name)
	}
	for name := range crcs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// UnmarshalText takes a name.
func (s *Sum) UnmarshalText(name []byte) (err error) {
	*s, err = Named(string(name))
	return err
}

// Known reports whether there is one.
func (s *Sum) Known() bool { return s.width != 0 }

// Size is how many bytes it takes.
func (s *Sum) Size() int { return s.width / 8 }

// Of computes it.
func (s *Sum) Of(p []byte) uint64 {
	if s.crc != nil {
		return s.crc.of(p)
	}
	return s.plain(p)
}

// CRC by its parameters, as catalogues list them.
type CRC struct {
	Width  int    `toml:"width" example:"16" doc:"How many bits the CRC has: 8, 16 or 32."`
	Poly   uint32 `toml:"poly" example:"0x1021" doc:"The polynomial, without its highest bit."`
	Init   uint32 `toml:"init" example:"0xFFFF" doc:"What the CRC begins with."`
	RefIn  bool   `toml:"refin" doc:"The lowest bit of a byte is taken first."`
	RefOut bool   `toml:"refout" doc:"The bits of the result are in reverse order."`
	XorOut uint32 `toml:"xorout" example:"0" doc:"What the result is combined with at the end, by exclusive or."`
}

// Sum makes it usable.
func (c CRC) Sum() (Sum, error) {
	if c.Width != 8 && c.Width != 16 && c.Width != 32 {
		return Sum{}, fmt.Errorf("found width %d, expected 8, 16 or 32", c.Width)
	}
	return Sum{name: "crc", width: c.Width, crc: newCRCTable(c)}, nil
}

// CRC4 is the CRC of four bits (x⁴+x+1) that TE's barometers have over their memory; nobody
// else needs one.
func CRC4(p []byte) byte { return byte(newCRCTable(CRC{Width: 4, Poly: 0x3}).of(p)) }

// crcTable computes one CRC a byte at a time. All widths are kept in the upper bits
// of 32 (or, reflected, in the lower ones), so there is one loop for them.
type crcTable struct {
	c       CRC
	initial uint32
	table   [256]uint32
}

func newCRCTable(c CRC) *crcTable {
	t := &crcTable{c: c}
	up := 32 - c.Width
	if c.RefIn {
		t.initial = bits.Reverse32(c.Init << up)
		poly := bits.Reverse32(c.Poly << up)
		for i := range t.table {
			r := uint32(i)
			for range 8 {
				r = r>>1 ^ poly&-(r&1)
			}
			t.table[i] = r
		}
		return t
	}
	t.initial = c.Init << up
	for i := range t.table {
		r := uint32(i) << 24
		for range 8 {
			r = r<<1 ^ c.Poly<<up&-(r>>31)
		}
		t.table[i] = r
	}
	return t
}

func (t *crcTable) of(p []byte) uint64 {
	r := t.initial
	if t.c.RefIn {
		for _, b := range p {
			r = r>>8 ^ t.table[byte(r)^b]
		}
		r = bits.Reverse32(r)
	} else {
		for _, b := range p {
			r = r<<8 ^ t.table[byte(r>>24)^b]
		}
	}
	r >>= 32 - t.c.Width
	if t.c.RefOut {
		r = bits.Reverse32(r) >> (32 - t.c.Width)
	}
	return uint64(r ^ t.c.XorOut)
}
