package i2cmodel

import "time"

// AHT models AHT10 and AHT20. AHT20 data sheet section 5.
type AHT struct {
	conversion
	Data [5]byte // humidity and temperature, 20 bits each
	CRC  bool    // the AHT20 sends one
	Init byte    // the command that loads the calibration

	status byte
	regs   [5]byte
}

// NewAHT makes a chip that measures data.
func NewAHT(initialize byte, crc bool, data [5]byte) *AHT {
	c := &AHT{Init: initialize, CRC: crc, Data: data}
	c.PowerOn()
	return c
}

// PowerOn implements driverstest.I2CChip.
func (c *AHT) PowerOn() {
	c.abort()
	c.status, c.regs = 0x10, [5]byte{}
}

// Write implements driverstest.I2CChip.
func (c *AHT) Write(b []byte) error {
	switch {
	case len(b) == 3 && b[0] == c.Init && b[1] == 0x08:
		c.status |= 0x08
	case len(b) == 3 && b[0] == 0xac && b[1] == 0x33:
		c.start(75 * time.Millisecond)
	case len(b) == 1 && b[0] == 0x71:
	default:
		return errNAK
	}
	return nil
}

// Read implements driverstest.I2CChip.
func (c *AHT) Read(b []byte) error {
	if c.finish() {
		c.regs = c.Data
	}
	out := append([]byte{c.status}, c.regs[:]...)
	if c.running {
		out[0] |= 0x80
	}
	if c.CRC {
		out = append(out, CRC8(0xff, out...))
	}
	for i := range b {
		b[i] = 0xff
	}
	copy(b, out)
	return nil
}

// AM2320 models Aosong's AM2320, product manual section 8.2.
type AM2320 struct {
	RH, T uint16 // tenths; T with its sign in bit 15

	awake time.Time // until then
	old   [2]uint16 // what was measured at the wake-up before
	ready time.Time // when the measurement of the last wake-up is over
	asked bool
}

// PowerOn implements driverstest.I2CChip.
func (c *AM2320) PowerOn() { *c = AM2320{RH: c.RH, T: c.T} }

// Write implements driverstest.I2CChip.
func (c *AM2320) Write(b []byte) error {
	now := time.Now()
	if now.After(c.awake) {
		// Woken, but not acknowledged; it measures, which is for the next time.
		c.awake = now.Add(3 * time.Second)
		if c.ready.IsZero() {
			c.ready = now.Add(1500 * time.Millisecond)
		}
		return errNAK
	}
	c.asked = len(b) == 3 && b[0] == 3 && b[1] == 0 && b[2] == 4
	return nil
}

// Read implements driverstest.I2CChip.
func (c *AM2320) Read(b []byte) error {
	if !c.asked {
		return errNAK
	}
	if !c.ready.IsZero() && time.Now().After(c.ready) {
		c.old, c.ready = [2]uint16{c.RH, c.T}, time.Time{}
	}
	frame := []byte{3, 4, byte(c.old[0] >> 8), byte(c.old[0]), byte(c.old[1] >> 8), byte(c.old[1])}
	crc := uint16(0xffff) // Modbus
	for _, x := range frame {
		crc ^= uint16(x)
		for range 8 {
			low := crc & 1
			crc >>= 1
			if low != 0 {
				crc ^= 0xa001
			}
		}
	}
	copy(b, append(frame, byte(crc), byte(crc>>8)))
	c.asked = false
	c.awake = time.Time{}
	return nil
}
