package i2ctest

import (
	"math/rand/v2"
	"time"
)

// Commands is a chip that takes commands and answers, in words under a checksum, once it
// is done: Sensirion's way. While it works, and when nobody asked, it does not
// acknowledge a read.
type Commands struct {
	Conversion
	Size     int  // bytes of a command
	CRCStart byte // of the checksum, polynomial 0x31

	// Do executes a command; args are the words after it, whose checksums were right.
	Do        func(cmd uint16, args []uint16) (reply []uint16, takes time.Duration, known bool)
	OnPowerOn func()
	// Plain executes what has no checksums, such as a user register's byte; nil: nothing.
	Plain func(b []byte) (reply []byte, known bool)
	// Left are the commands that another program may have sent: see Leave.
	Left [][]byte

	reply []byte
}

// Leave implements Leaver: some of the commands of Left were sent, in any order.
func (c *Commands) Leave(r *rand.Rand) {
	if len(c.Left) == 0 {
		return
	}
	for range r.IntN(4) {
		_ = c.Write(c.Left[r.IntN(len(c.Left))])
		c.reply = nil // which that program has read
	}
}

// words makes the bytes of a command of 16 bits and its arguments.
func words(cmd uint16, args ...uint16) []byte {
	b := []byte{byte(cmd >> 8), byte(cmd)}
	for _, a := range args {
		hi, lo := byte(a>>8), byte(a)
		b = append(b, hi, lo, CRC8(0xff, hi, lo))
	}
	return b
}

// PowerOn implements Chip.
func (c *Commands) PowerOn() {
	c.Abort()
	c.reply = nil
	if c.OnPowerOn != nil {
		c.OnPowerOn()
	}
}

// Write implements Chip.
func (c *Commands) Write(b []byte) error {
	if c.Plain != nil {
		if reply, known := c.Plain(b); known {
			c.reply = reply
			c.Abort()
			return nil
		}
	}
	if len(b) < c.Size {
		return ErrNAK
	}
	cmd := uint16(b[0])
	if c.Size == 2 {
		cmd = cmd<<8 | uint16(b[1])
	}
	var args []uint16
	for rest := b[c.Size:]; len(rest) > 0; rest = rest[3:] {
		if len(rest) < 3 || CRC8(c.CRCStart, rest[0], rest[1]) != rest[2] {
			return ErrNAK
		}
		args = append(args, uint16(rest[0])<<8|uint16(rest[1]))
	}
	reply, takes, known := c.Do(cmd, args)
	if !known {
		return ErrNAK
	}
	c.reply = nil
	for _, w := range reply {
		hi, lo := byte(w>>8), byte(w)
		c.reply = append(c.reply, hi, lo, CRC8(c.CRCStart, hi, lo))
	}
	c.Start(takes)
	return nil
}

// Read implements Chip.
func (c *Commands) Read(b []byte) error {
	c.Finish()
	if c.Running() || c.reply == nil {
		return ErrNAK
	}
	for i := range b {
		b[i] = 0xff
	}
	copy(b, c.reply)
	c.reply = nil
	return nil
}
