package i2ctest

import (
	"strings"
	"time"
)

// EZO simulates an Atlas Scientific circuit: text in, a status byte and text out.
type EZO struct {
	Conversion
	Name, Value string
	Said        []string // commands

	answer string
	code   byte
}

// PowerOn implements Chip.
func (c *EZO) PowerOn() {
	c.Abort()
	c.answer, c.code = "", 255
}

// Write implements Chip.
func (c *EZO) Write(b []byte) error {
	cmd := string(b)
	c.Said = append(c.Said, cmd)
	takes := 300 * time.Millisecond
	c.answer, c.code = "", 1
	switch {
	case cmd == "i":
		c.answer = "?I," + c.Name + ",1.98"
	case cmd == "R":
		c.answer, takes = c.Value, 580*time.Millisecond
	case strings.HasPrefix(cmd, "T,"):
	default:
		c.code = 2
	}
	c.Start(takes)
	return nil
}

// Read implements Chip.
func (c *EZO) Read(b []byte) error {
	c.Finish()
	for i := range b {
		b[i] = 0
	}
	if c.Running() {
		b[0] = 254
		return nil
	}
	b[0] = c.code
	copy(b[1:], c.answer)
	c.code = 255
	return nil
}
