package i2ctest

// NewDS3231 simulates the DS3231's registers at some time of day.
func NewDS3231(t uint16) *Registers {
	c := &Registers{}
	c.OnPowerOn = func() {
		c.Put(0x00, 0x59, 0x30, 0x12, 0x01, 0x23, 0x11, 0x26)
		c.Put(0x0e, 0x1c, 0x00, 0x00, byte(t>>8), byte(t))
	}
	c.PowerOn()
	return c
}
