package i2ctest

import "time"

// NewTMP117 simulates the TMP117: one shot, average, data ready. SNOSD82 section 7.6.
func NewTMP117(raw uint16) *Thermometer {
	c := &Thermometer{Raw: raw, IDs: map[byte]uint16{0x0f: 0x0117}}
	c.Modes = []byte{1, 7}
	ready := false
	c.OnPowerOn = func() {
		c.Abort()
		ready = false
		c.Reg[0], c.Reg[1] = 0x8000, 0x0220
	}
	c.OnWrite = func(reg byte, v uint16) {
		if reg == 1 && v&0x0002 != 0 { // soft reset: as after power-on
			c.PowerOn()
			return
		}
		if reg != 0 {
			c.Reg[reg] = v
		}
		if reg == 1 && v&0x0c00 == 0x0c00 {
			ready = false
			c.Start(125 * time.Millisecond)
		}
	}
	c.OnRead = func(reg byte) uint16 {
		if c.Finish() {
			c.Reg[0] = c.Raw + c.Reg[7]          // section 7.3.3, temperature offset
			c.Reg[1] = c.Reg[1]&^0x0c00 | 0x0400 // shut down again
			ready = true
		}
		if id, ok := c.IDs[reg]; ok {
			return id
		}
		v := c.Reg[reg]
		if reg == 1 && ready {
			v |= 0x2000
			ready = false // cleared by reading
		}
		return v
	}
	c.PowerOn()
	return c
}
