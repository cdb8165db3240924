package hardware

import (
	"encoding/binary"
	"errors"
	"syscall"

	"sensorgate/deploy/board/chips"
	"sensorgate/deploy/board/vhost"
)

// Flags of a virtio I2C request; VIRTIO 1.2, 5.19.6.
const (
	i2cFailNext = 1 << 0 // more messages of this transfer follow
	i2cRead     = 1 << 1
)

// i2cAdapter is a virtio I2C adapter with emulated chips behind it.
type i2cAdapter struct {
	bus     *chips.Bus
	failing bool // an earlier message of the same transfer failed
}

func (*i2cAdapter) Features() uint64 { return 1 } // VIRTIO_I2C_F_ZERO_LENGTH_REQUEST
func (*i2cAdapter) Config() []byte   { return nil }
func (*i2cAdapter) Queues() int      { return 1 }
func (d *i2cAdapter) Reset()         { d.failing = false }

// Handle does one message. A status of 1 is a NAK; the kernel's patched driver hands
// any other on as the errno of the adapter that it plays.
func (d *i2cAdapter) Handle(_ int, c *vhost.Chain) {
	if len(c.Out) == 0 || len(c.Out[0]) < 8 {
		c.Done()
		return
	}
	addr := binary.LittleEndian.Uint16(c.Out[0]) >> 1
	flags := binary.LittleEndian.Uint32(c.Out[0][4:])
	more, read := flags&i2cFailNext != 0, flags&i2cRead != 0
	var buf []byte
	if len(c.Out) > 1 {
		buf = c.Out[1]
	} else if read && len(c.InLen) > 1 {
		buf = make([]byte, c.InLen[0])
	}
	status := byte(0)
	if d.failing {
		status = 1
	} else if err := d.bus.Xfer(addr, read, buf, !more); err != nil {
		status = 1
		var no syscall.Errno
		if errors.As(err, &no) && no > 1 && no < 256 {
			status = byte(no)
		}
	}
	d.failing = status != 0 && more
	if len(c.InLen) > 1 {
		c.Done(buf, []byte{status})
	} else {
		c.Done([]byte{status})
	}
}
