package i2cmodel

import "time"

// INA228 models the INA228, whose registers have different lengths. SLYS021 section 7.6.
type INA228 struct {
	conversion
	Shunt, Volts uint32 // 20 bits
	T            uint16
	ID           uint16

	ptr   byte
	conf  uint16
	ready bool
	shown [3]uint32
}

// NewINA228 makes a chip that measures these.
func NewINA228(shunt, volts uint32, t uint16) *INA228 {
	c := &INA228{Shunt: shunt, Volts: volts, T: t, ID: 0x2281}
	c.PowerOn()
	return c
}

// PowerOn implements driverstest.I2CChip.
func (c *INA228) PowerOn() {
	c.abort()
	c.conf, c.ready, c.shown = 0xfb68, false, [3]uint32{}
	c.start(50 * time.Millisecond)
}

// Write implements driverstest.I2CChip.
func (c *INA228) Write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.ptr = b[0]
	if len(b) == 3 && c.ptr == 1 {
		c.conf, c.ready = uint16(b[1])<<8|uint16(b[2]), false
		c.start(50500 * time.Microsecond)
	}
	return nil
}

// Read implements driverstest.I2CChip.
func (c *INA228) Read(b []byte) error {
	if c.finish() {
		c.ready = true
		c.conf &^= 0xf000 // shut down again
		c.shown = [3]uint32{c.Shunt << 4, c.Volts << 4, uint32(c.T)}
	}
	v, size := uint32(0), 2
	switch c.ptr {
	case 0x01:
		v = uint32(c.conf)
	case 0x04, 0x05:
		v, size = c.shown[c.ptr-4], 3
	case 0x06:
		v = c.shown[2]
	case 0x0b:
		v = 1
		if c.ready {
			v |= 2
		}
	case 0x3e:
		v = 0x5449
	case 0x3f:
		v = uint32(c.ID)
	}
	for i := range b {
		b[i] = byte(v >> (8 * (size - 1 - i%size)))
	}
	return nil
}

// BH1750 models the BH1750. Data sheet "Measurement procedure".
type BH1750 struct {
	conversion
	Lux float64

	mt   uint16
	on   bool
	data uint16
}

// NewBH1750 makes a chip in this light.
func NewBH1750(lux float64) *BH1750 {
	c := &BH1750{Lux: lux}
	c.PowerOn()
	return c
}

// PowerOn implements driverstest.I2CChip.
func (c *BH1750) PowerOn() {
	c.abort()
	c.mt, c.on, c.data = 69, false, 0
}

// Write implements driverstest.I2CChip.
func (c *BH1750) Write(b []byte) error {
	if len(b) != 1 {
		return errNAK
	}
	switch cmd := b[0]; {
	case cmd == 0x00:
		c.on = false
	case cmd == 0x01:
		c.on = true
	case cmd == 0x20:
		c.on = true
		c.start(time.Duration(c.mt) * 120 * time.Millisecond / 69)
	case cmd&0xf8 == 0x40:
		c.mt = c.mt&0x1f | uint16(cmd&7)<<5
	case cmd&0xe0 == 0x60:
		c.mt = c.mt&^0x1f | uint16(cmd&0x1f)
	default:
		return errNAK
	}
	return nil
}

// Read implements driverstest.I2CChip.
func (c *BH1750) Read(b []byte) error {
	if c.finish() {
		c.data = uint16(min(c.Lux*1.2*float64(c.mt)/69, 0xffff))
		c.on = false
	}
	for i := range b {
		b[i] = byte(c.data >> (8 * (1 - i%2)))
	}
	return nil
}

// MLX90614 models RAM and packet error code of the MLX90614.
type MLX90614 struct {
	Addr byte
	RAM  map[byte]uint16
	cmd  byte
	Flip byte // into the packet error code
}

// PowerOn implements driverstest.I2CChip. It measures again at once, as far as we care.
func (c *MLX90614) PowerOn() {}

// Write implements driverstest.I2CChip.
func (c *MLX90614) Write(b []byte) error {
	if len(b) > 0 {
		c.cmd = b[0]
	}
	return nil
}

// Read implements driverstest.I2CChip.
func (c *MLX90614) Read(b []byte) error {
	v := c.RAM[c.cmd]
	frame := []byte{c.Addr << 1, c.cmd, c.Addr<<1 | 1, byte(v), byte(v >> 8)}
	var pec byte
	for _, x := range frame { // polynomial 0x07
		for bit := 7; bit >= 0; bit-- {
			top := pec>>7 ^ x>>bit&1
			pec <<= 1
			if top != 0 {
				pec ^= 0x07
			}
		}
	}
	copy(b, append(frame[3:], pec^c.Flip))
	return nil
}

// NewADT7410 models the ADT7410, whose registers are bytes.
func NewADT7410(raw uint16) *Thermal8 {
	c := &Thermal8{Raw: raw, ID: 0xcb}
	c.reset = func() {
		c.abort()
		c.Reg[0x0b] = c.ID
		c.start(240 * time.Millisecond)
	}
	c.read = func(reg byte) byte {
		if c.finish() {
			c.Put(0, byte(c.Raw>>8), byte(c.Raw))
			c.start(240 * time.Millisecond)
		}
		return c.Reg[reg]
	}
	c.PowerOn()
	return c
}

// Thermal8 is a thermometer with 8-bit registers.
type Thermal8 struct {
	Registers
	conversion
	Raw uint16
	ID  byte
}
