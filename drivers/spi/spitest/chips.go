package spitest

import (
	"bytes"
	"math/rand/v2"
	"time"
)

// MCP3xxx simulates MCP3004, MCP3008, MCP3204, MCP3208, MCP3302 and MCP3304. DS21295, DS21298
// and DS21697, "Serial communication".
type MCP3xxx struct {
	Bits int            // 10 or 12, or 13 of which the first is the sign
	Code map[string]int // by input: "0", "0-1"
}

// Transfer implements Chip: the start bit, single or differential, three bits of the
// input; then a null bit and the result.
func (c *MCP3xxx) Transfer(w []byte) []byte {
	start, all := map[int]int{10: 16, 12: 18, 13: 19}[c.Bits], uint32(0)
	if len(w) == 3 {
		all = uint32(w[0])<<16 | uint32(w[1])<<8 | uint32(w[2])
	}
	if all>>start != 1 {
		return bytes.Repeat([]byte{0xff}, len(w)) // the output is not driven
	}
	n := all >> (start - 4) & 7
	input := string(rune('0' + n))
	if all>>(start-1)&1 == 0 {
		input += "-" + string(rune('0'+n^1))
	}
	r := 0xff<<16 | 0xff<<8 | 0xff
	r &^= 1<<(c.Bits+1) - 1 // the null bit, and the result
	r |= c.Code[input] & (1<<c.Bits - 1)
	return []byte{byte(r >> 16), byte(r >> 8), byte(r)}
}

// PowerOn implements Chip: it has no state.
func (c *MCP3xxx) PowerOn() {}

// Leave implements Chip.
func (c *MCP3xxx) Leave(*rand.Rand) {}

// MCP355x simulates MCP3550, MCP3551 and MCP3553, in mode 3. DS21950 section 5.3: a select that
// falls begins a conversion, or shows that one is under way, or has its result clocked out,
// which is gone then.
type MCP355x struct {
	Code  int // 2^21 is the reference
	Takes time.Duration
	Both  bool // it is above and below its range at once

	result uint32
	until  time.Time // of the conversion whose result was not read; zero: none
}

// Transfer implements Chip.
func (c *MCP355x) Transfer(w []byte) []byte {
	r := bytes.Repeat([]byte{0xff}, len(w))
	if c.until.IsZero() {
		c.begin(c.Code)
		return r
	}
	if time.Now().Before(c.until) {
		return r
	}
	c.until = time.Time{}
	for i := range min(3, len(r)) {
		r[i] = byte(c.result >> (16 - 8*i))
	}
	return r
}

func (c *MCP355x) begin(code int) {
	c.until = time.Now().Add(c.Takes)
	c.result = uint32(code) & (1<<22 - 1)
	if code >= 1<<21 || c.Both {
		c.result |= 1 << 22
	}
	if code < -1<<21 || c.Both {
		c.result |= 1 << 23
	}
}

// PowerOn implements Chip: it is shut down.
func (c *MCP355x) PowerOn() { c.until = time.Time{} }

// Leave implements Chip: yesterday's result lies there.
func (c *MCP355x) Leave(*rand.Rand) {
	c.begin(12345)
	c.until = time.Now()
}

// MAX31855 simulates the MAX31855: four bytes that are only read.
type MAX31855 struct{ Word uint32 }

// Transfer implements Chip.
func (c *MAX31855) Transfer(w []byte) []byte {
	r := make([]byte, len(w))
	for i := range min(4, len(r)) {
		r[i] = byte(c.Word >> (24 - 8*i))
	}
	return r
}

// PowerOn implements Chip.
func (c *MAX31855) PowerOn() {}

// Leave implements Chip.
func (c *MAX31855) Leave(*rand.Rand) {}

// MAX6675 simulates the MAX6675. Data sheet 19-2235: it converts while its select is high,
// which takes 0.22 s at most, and a read begins anew.
type MAX6675 struct {
	Word  uint16
	shown uint16
	since time.Time
}

// Transfer implements Chip.
func (c *MAX6675) Transfer(w []byte) []byte {
	if time.Since(c.since) >= 220*time.Millisecond {
		c.shown = c.Word
	}
	c.since = time.Now()
	r := make([]byte, len(w))
	for i := range min(2, len(r)) {
		r[i] = byte(c.shown >> (8 - 8*i))
	}
	return r
}

// PowerOn implements Chip. What it shows before its first conversion is not documented;
// nothing is what a register after power-on holds.
func (c *MAX6675) PowerOn() { c.shown, c.since = 0, time.Now() }

// Leave implements Chip: yesterday it was 25 °C.
func (c *MAX6675) Leave(*rand.Rand) { c.shown, c.since = 100<<3, time.Now() }

// registers are a chip's that is written at address 0x80 and up and read below.
type registers struct {
	Reg   [16]byte
	write func(reg, v byte)
	until time.Time // when the conversion is done; zero: none
	modes []byte    // registers that Leave writes anything to
}

// transfer is one access; a burst goes on with the next register.
func (c *registers) transfer(w []byte) []byte {
	r := make([]byte, len(w))
	for i := 1; i < len(w); i++ {
		reg := (w[0] + byte(i-1)) & 0x0f
		if w[0]&0x80 == 0 {
			r[i] = c.Reg[reg]
		} else {
			c.write(reg, w[i])
		}
	}
	return r
}

// Leave implements Chip.
func (c *registers) Leave(r *rand.Rand) {
	for _, reg := range c.modes {
		if r.IntN(2) == 0 {
			c.write(reg, byte(r.Uint32()))
		}
	}
}

func (c *registers) done() bool {
	if c.until.IsZero() || time.Now().Before(c.until) {
		return false
	}
	c.until = time.Time{}
	return true
}

// MAX31856 simulates the MAX31856. Data sheet 19-7534, register map.
type MAX31856 struct {
	registers
	Thermocouple float64 // °C, of type K
	Junction     float64 // °C
	Status       byte
}

// NewMAX31856 makes one.
func NewMAX31856(thermocouple, junction float64) *MAX31856 {
	c := &MAX31856{Thermocouple: thermocouple, Junction: junction}
	c.modes = []byte{0x00, 0x01, 0x02, 0x03, 0x05, 0x09}
	c.write = func(reg, v byte) {
		if reg < 0x0a {
			c.Reg[reg] = v
		}
		if reg == 0x00 {
			c.until = time.Time{}
		}
		if reg == 0x00 && v&0xc0 != 0 {
			takes := 143 * time.Millisecond
			if v&0x01 != 0 {
				takes = 169 * time.Millisecond
			}
			c.until = time.Now().Add(takes)
		}
	}
	c.PowerOn()
	return c
}

// PowerOn implements Chip.
func (c *MAX31856) PowerOn() {
	c.Reg = [16]byte{0x01: 0x03, 0x02: 0xff, 0x03: 0x7f, 0x04: 0xc0, 0x05: 0x7f, 0x06: 0xff, 0x07: 0x80}
	c.until = time.Time{}
}

// Transfer implements Chip.
func (c *MAX31856) Transfer(w []byte) []byte {
	if c.done() {
		c.result()
	}
	return c.transfer(w)
}

func (c *MAX31856) result() {
	if c.Reg[0]&0x80 != 0 { // automatic
		c.until = time.Now().Add(100 * time.Millisecond)
	}
	c.Reg[0] &^= 0x40
	t := c.Thermocouple
	if c.Reg[1]&0x0f != 3 { // another type reads another temperature
		t += 11
	}
	j := c.Junction + float64(int8(c.Reg[9]))/16 // its offset, table 6
	cold, hot := int(j*64), int(t*128)
	c.Reg[0x0a], c.Reg[0x0b] = byte(cold<<2>>8), byte(cold<<2)
	c.Reg[0x0c], c.Reg[0x0d], c.Reg[0x0e] = byte(hot<<5>>16), byte(hot<<5>>8), byte(hot<<5)
	c.Reg[0x0f] = c.Status
}

// MAX31865 simulates the MAX31865. Data sheet 19-6478, register map.
type MAX31865 struct {
	registers
	Code  uint16 // 15 bits
	Fault byte
}

// NewMAX31865 makes one.
func NewMAX31865(code uint16) *MAX31865 {
	c := &MAX31865{Code: code}
	c.modes = []byte{0x00, 0x03, 0x04, 0x05, 0x06}
	c.write = func(reg, v byte) {
		switch {
		case reg == 0x00 && v&0x02 != 0: // clear the faults
			c.Reg[7] = 0
			c.Reg[0] = v &^ 0x02
		case reg <= 0x06 && reg != 0x01 && reg != 0x02:
			c.Reg[reg] = v
		}
		if reg == 0x00 {
			c.until = time.Time{}
		}
		if reg == 0x00 && v&0x60 != 0 {
			takes := 52 * time.Millisecond
			if v&0x01 != 0 {
				takes = 62500 * time.Microsecond
			}
			c.until = time.Now().Add(takes)
		}
	}
	c.PowerOn()
	return c
}

// PowerOn implements Chip.
func (c *MAX31865) PowerOn() {
	c.Reg = [16]byte{3: 0xff, 4: 0xff}
	c.until = time.Time{}
}

// Transfer implements Chip.
func (c *MAX31865) Transfer(w []byte) []byte {
	if c.done() {
		c.result()
	}
	return c.transfer(w)
}

func (c *MAX31865) result() {
	c.Reg[0] &^= 0x20
	if c.Reg[0]&0x40 != 0 {
		c.until = time.Now().Add(20 * time.Millisecond)
	}
	code := c.Code
	if c.Reg[0]&0x80 == 0 { // no bias: no current through the resistor
		code = 0
	}
	if c.Reg[0]&0x10 == 0 && c.Reg[0]&0x80 != 0 { // two or four wires, but three are there
		code += 100
	}
	fault := c.Fault
	if high := uint16(c.Reg[3])<<8 | uint16(c.Reg[4]); code<<1 >= high&^1 && high != 0xffff {
		fault |= 0x80
	}
	if low := uint16(c.Reg[5])<<8 | uint16(c.Reg[6]); code<<1 <= low&^1 && low != 0 {
		fault |= 0x40
	}
	c.Reg[7] = fault
	v := code << 1
	if fault != 0 {
		v |= 1
	}
	c.Reg[1], c.Reg[2] = byte(v>>8), byte(v)
}
