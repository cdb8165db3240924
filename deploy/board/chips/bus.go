// Package chips simulates I2C chips byte for byte, and the bus they sit on. Behind a
// virtio adapter a guest sees them as /dev/i2c-N; the kernel's own drivers (sht3x,
// bmp280, ads1115, ds2482 with w1_therm) read what was set, which is how they were
// checked.
package chips

import (
	"errors"
	"sync"
	"syscall"
	"time"
)

// Chip is an I2C target. The bus calls one method at a time.
type Chip interface {
	Write(b []byte) error // one write message; an error means NAK
	Read(b []byte) error  // one read message; an error means NAK
	Stop()                // stop condition: the transfer is over
}

// ErrNAK is what an absent or busy chip answers.
var ErrNAK = errors.New("i2c: no acknowledge")

// Fault makes the bus misbehave for one address (or all).
type Fault struct {
	Addr  uint16        // 0xffff: every address
	Errno syscall.Errno // what the adapter reports; 0: only Flip and Delay apply
	Flip  byte          // XORed into the first byte read
	Delay time.Duration // held this long first (clock stretching, a wedged bus)
	Count int           // how many messages; <0: until cleared
}

// Bus is an I2C bus with its chips.
type Bus struct {
	mu     sync.Mutex
	chips  map[uint16]Chip
	faults []*Fault
	Hz     int // if set, a transfer takes as long as on a wire of this clock
	Trace  func(addr uint16, read bool, data []byte, err error)
	Stats  struct{ Transfers, NAKs, Faults int }
}

// Attach puts a chip on the bus; nil pulls it off.
func (b *Bus) Attach(addr uint16, c Chip) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.chips == nil {
		b.chips = map[uint16]Chip{}
	}
	if c == nil {
		delete(b.chips, addr) // pulled off the bus
		return
	}
	b.chips[addr] = c
}

// Inject adds a fault; one with Count 0 clears all.
func (b *Bus) Inject(f Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if f.Count == 0 { // clear
		b.faults = nil
		return
	}
	b.faults = append(b.faults, &f)
}

// With runs f while the bus is idle: the way to change a chip's quantities.
func (b *Bus) With(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

func (b *Bus) fault(addr uint16, read bool) *Fault {
	for i, f := range b.faults {
		if (f.Addr == addr || f.Addr == 0xffff) && (read || f.Flip == 0) {
			if f.Count > 0 {
				if f.Count--; f.Count == 0 {
					b.faults = append(b.faults[:i:i], b.faults[i+1:]...)
				}
			}
			b.Stats.Faults++
			return f
		}
	}
	return nil
}

// Xfer is one message. last says that a stop condition follows it.
func (b *Bus) Xfer(addr uint16, read bool, buf []byte, last bool) (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Stats.Transfers++
	if b.Hz > 0 {
		time.Sleep(time.Duration(9*(1+len(buf))+2) * time.Second / time.Duration(b.Hz))
	}
	defer func() {
		if errors.Is(err, ErrNAK) {
			b.Stats.NAKs++
		}
		if b.Trace != nil {
			b.Trace(addr, read, buf, err)
		}
	}()
	c := b.chips[addr]
	f := b.fault(addr, read)
	if f != nil && f.Delay > 0 {
		b.mu.Unlock() // the control side must still get in
		time.Sleep(f.Delay)
		b.mu.Lock()
	}
	if f != nil && f.Errno != 0 {
		return f.Errno
	}
	if c == nil {
		return ErrNAK
	}
	if read {
		err = c.Read(buf)
	} else {
		err = c.Write(buf)
	}
	if err == nil && read && f != nil && len(buf) > 0 {
		buf[0] ^= f.Flip
	}
	if last || err != nil {
		c.Stop()
	}
	return err
}

// regs16 is a chip with a pointer register and 16-bit big-endian registers.
type regs16 struct {
	ptr     byte
	onRead  func(reg byte) uint16
	onWrite func(reg byte, v uint16)
}

func (c *regs16) Write(b []byte) error {
	if len(b) == 0 {
		return nil // quick write: address probe
	}
	c.ptr = b[0]
	if len(b) >= 3 && c.onWrite != nil {
		c.onWrite(c.ptr, uint16(b[1])<<8|uint16(b[2]))
	} else if len(b) == 2 && c.onWrite != nil {
		c.onWrite(c.ptr, uint16(b[1])<<8)
	}
	return nil
}

func (c *regs16) Read(b []byte) error {
	v := c.onRead(c.ptr)
	for i := range b { // reading on repeats the register
		if i%2 == 0 {
			b[i] = byte(v >> 8)
		} else {
			b[i] = byte(v)
		}
	}
	return nil
}

func (c *regs16) Stop() {}
