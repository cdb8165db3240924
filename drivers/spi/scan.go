package spi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sort"

	"periph.io/x/conn/v3/spi"

	"sensorgate/drivers"
	"sensorgate/drivers/spi/bus"
)

// Addr says where a chip is: "0.1" is /dev/spidev0.1.
type Addr = bus.Addr

// Found is what a scan finds on one chip select.
type Found struct {
	Addr Addr
	Chip string // our driver for it, "" if nothing was recognized
	Sure bool   // it has an id and it matched; else its answer has the form of such a chip's
	Note string // why nothing was recognized, or what else could be
}

// Selects lists the chip selects of the machine that programs may use, in order. One that
// a kernel driver has is not among them.
func Selects() ([]Addr, error) {
	paths, err := filepath.Glob("/dev/spidev*.*")
	if err != nil {
		return nil, err
	}
	var all []Addr
	for _, p := range paths {
		var a Addr
		if a.UnmarshalText([]byte(p)) == nil {
			all = append(all, a)
		}
	}
	sort.Slice(all, func(i, k int) bool {
		a, b := all[i], all[k]
		return a.Bus < b.Bus || a.Bus == b.Bus && a.Select < b.Select
	})
	return all, nil
}

// scanHertz is slow enough for every chip and for long wires.
const scanHertz = 500_000

// Scan asks on one select what is there. SPI has no addresses: what is sent reaches
// whatever chip there is, so it sends zeros first, which none of those that we know takes
// for a command, and asks for the ids of BME280 and ADXL345 only where zeros were answered
// with nothing. A memory or a display on the select may take those for a command: do not
// scan one.
func Scan(ctx context.Context, b *Buses, a Addr) (Found, error) {
	f := Found{Addr: a}
	var zeros []byte
	for _, mode := range []spi.Mode{spi.Mode1, spi.Mode0} {
		var err error
		if zeros, err = b.Dev(a, bus.Settings{Mode: mode, Hertz: scanHertz}).Read(ctx, 16); err != nil {
			return f, err
		}
		if f.Chip = form(mode, zeros); f.Chip != "" {
			return f, nil
		}
	}
	if !uniform(zeros) {
		f.Note = fmt.Sprintf("answers % x, which is none of the chips that can be recognized", zeros[:8])
		return f, nil
	}
	for _, id := range identities {
		got, err := b.Dev(a, bus.Settings{Mode: id.mode, Hertz: scanHertz}).Transfer(ctx, id.ask...)
		switch {
		case err != nil && !errors.Is(err, drivers.ErrNoAnswer):
			return f, err
		case err == nil && id.fits(got):
			f.Chip, f.Sure, f.Note = id.chip, id.sure, id.note
			return f, nil
		}
	}
	f.Note = fmt.Sprintf("reads only 0x%02x: no chip, or one that cannot be asked", zeros[0])
	return f, nil
}

func uniform(b []byte) bool {
	return bytes.Count(b, b[:1]) == len(b)
}

// identity is how a chip that answers zeros with nothing is known.
type identity struct {
	chip string
	mode spi.Mode
	ask  []byte
	fits func(got []byte) bool
	sure bool
	note string
}

// identities: BST-BME280-DS002 section 6.3.2 with register 0xd0; the ADXL345's register 0
// with the bit for reading; an MCP3008's null bit, before a code that is not all zeros
// (the ids' bytes are conversions for it, which is harmless).
var identities = []identity{
	{chip: "bme280", mode: spi.Mode0, ask: []byte{0xd0, 0}, sure: true, fits: func(b []byte) bool { return b[1] == 0x60 }},
	{chip: "bmp280", mode: spi.Mode0, ask: []byte{0xd0, 0}, sure: true, fits: func(b []byte) bool { return b[1] >= 0x56 && b[1] <= 0x58 }},
	{chip: "adxl345", mode: spi.Mode3, ask: []byte{0x80, 0}, sure: true, fits: func(b []byte) bool { return b[1] == 0xe5 }},
	{chip: "mcp3008", mode: spi.Mode0, ask: []byte{0x01, 0x80, 0}, note: "or an MCP3004; its inputs and reference cannot be asked",
		fits: func(b []byte) bool { return b[0] == 0xff && b[1]&0xfc == 0xf8 }},
	{chip: "mcp3208", mode: spi.Mode0, ask: []byte{0x06, 0, 0}, note: "or an MCP3204; its inputs and reference cannot be asked",
		fits: func(b []byte) bool { return b[0] == 0xff && b[1]&0xf0 == 0xe0 }},
}

// form recognizes chips without an id by what they answer to zeros: their registers from 0
// on, or their measurement. The names are guesses.
func form(mode spi.Mode, b []byte) string {
	switch word := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]); {
	case uniform(b):
	// Limits after power-on, which our drivers leave too. Data sheet 19-7534, register map: the
	// mask, the upper limits of the cold end and of the thermocouple, the lower one.
	case mode == spi.Mode1 && b[3] == 0xff && b[4] == 0x7f && b[6] == 0x7f && b[7] == 0xff && b[8] == 0x80:
		return "max31856"
	// Data sheet 19-6478.
	case mode == spi.Mode1 && bytes.Equal(b[4:8], []byte{0xff, 0xff, 0x00, 0x00}):
		return "max31865"
	// Bits 17 and 3 are always zero, and the chip itself is not at 0 °C. Data sheet 19-5793.
	case mode == spi.Mode0 && word&(1<<17|1<<3) == 0 && int16(word)>>4 > 0 && int16(word)>>4 < 85<<4:
		return "max31855"
	// Bits 15 and 1 are always zero, and 16 bits are all that there is. Data sheet 19-2235.
	case mode == spi.Mode0 && b[0]&0x80 == 0 && b[1]&0x02 == 0 && (b[0] != 0 || b[1] > 1) && uniform(b[2:]):
		return "max6675"
	}
	return ""
}
