package i2ctest

import "time"

// Thermometer is a chip with 16-bit registers whose register holds Raw once it has
// converted.
type Thermometer struct {
	Words
	Conversion
	Raw uint16
	IDs map[byte]uint16
}

// newThermometer makes one that converts on its own; until the first Conversion its
// register holds none.
func newThermometer(reg byte, raw, none uint16, takes time.Duration, ids, initial map[byte]uint16) *Thermometer {
	c := &Thermometer{Raw: raw, IDs: ids}
	c.OnPowerOn = func() {
		c.Abort()
		for r, v := range initial {
			c.Reg[r] = v
		}
		c.Reg[reg] = none
		c.Start(takes)
	}
	c.OnWrite = func(reg byte, v uint16) {
		if _, ro := c.IDs[reg]; !ro {
			c.Reg[reg] = v
		}
	}
	c.OnRead = func(r byte) uint16 {
		if c.Finish() {
			c.Reg[reg] = c.Raw
			c.Start(takes)
		}
		if id, ok := c.IDs[r]; ok {
			return id
		}
		return c.Reg[r]
	}
	c.PowerOn()
	return c
}

// NewLM75 simulates the LM75 and its many relatives. SNIS153 section 7.6.
func NewLM75(raw uint16) *Thermometer {
	return newThermometer(0, raw, 0, 250*time.Millisecond, nil, map[byte]uint16{2: 0x4b00, 3: 0x5000})
}

// NewMCP9808 simulates the MCP9808. DS25095 section 5.
func NewMCP9808(raw uint16) *Thermometer {
	return newThermometer(5, raw, 0, 250*time.Millisecond, map[byte]uint16{6: 0x0054, 7: 0x0400}, nil)
}
