package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sensorgate/drivers"
)

// Dev is one chip's address on one bus. Its methods may be called from one goroutine at
// a time; each is one transfer unless it says otherwise.
type Dev struct {
	addr  Addr
	owner *owner
	via   *Via
}

// Via is another kind of bus that a chip with registers can be on. Tx has the meaning of
// Dev.Tx, At that of Dev.At; Stuck is asked when an answer could have come from nobody.
type Via struct {
	Tx    func(ctx context.Context, w, r []byte) error
	At    func(error) error
	Stuck func() error
}

// Over returns a chip on another kind of bus, for the drivers of chips that can be wired
// to either.
func Over(v Via) *Dev { return &Dev{via: &v} }

// Error is an error with the place it happened at.
type Error struct {
	Addr Addr
	Err  error
}

func (e *Error) Error() string { return e.Addr.place() + ": " + e.Err.Error() }

// Unwrap returns the error without the place.
func (e *Error) Unwrap() error { return e.Err }

// Dev returns the chip at a. It is an error if a kernel driver owns the address.
func (b *Buses) Dev(a Addr) (*Dev, error) {
	if name := b.KernelDriver(a); name != "" {
		return nil, &Error{a, fmt.Errorf("0x%02x belongs to the kernel's driver %s (try: driver = \"iio\" or \"hwmon\", or remove its overlay)", a.first(), name)}
	}
	return &Dev{addr: a, owner: b.owner(a.Bus)}, nil
}

// KernelDriver names the kernel driver that owns the address, "" if none does. Behind a
// multiplexer it is the multiplexer that counts: its own driver would switch it too.
func (b *Buses) KernelDriver(a Addr) string {
	if b.sysfs == "" {
		return ""
	}
	return sysfs(b.sysfs).kernelDriver(a.Bus, a.first())
}

// first is the address that is on the bus itself.
func (a Addr) first() uint16 {
	if len(a.Hops) > 0 {
		return a.Hops[0].Mux
	}
	return a.Chip
}

// Beside returns the other address of a chip that has two.
func (d *Dev) Beside(addr uint16) *Dev {
	other := *d
	other.addr.Chip = addr
	return &other
}

// Addr returns where the chip is; nowhere for one on another kind of bus.
func (d *Dev) Addr() Addr { return d.addr }

// Errorf makes an error with the chip's place.
func (d *Dev) Errorf(format string, args ...any) error { return d.At(fmt.Errorf(format, args...)) }

// At adds the chip's place to err if it has none yet.
func (d *Dev) At(err error) error {
	if d.via != nil {
		return d.via.At(err)
	}
	if at := (*Error)(nil); err == nil || errors.As(err, &at) {
		return err
	}
	return &Error{d.addr, err}
}

// Tx writes w, then, after a repeated start, reads r. Either may be nil.
func (d *Dev) Tx(ctx context.Context, w, r []byte) error {
	if d.via != nil {
		return d.At(d.via.Tx(ctx, w, r))
	}
	return d.At(d.owner.tx(ctx, d.addr, w, r))
}

// Write writes b.
func (d *Dev) Write(ctx context.Context, b ...byte) error { return d.Tx(ctx, b, nil) }

// Read reads n bytes without naming a register.
func (d *Dev) Read(ctx context.Context, n int) ([]byte, error) {
	r := make([]byte, n)
	return r, d.Tx(ctx, nil, r)
}

// Reg reads n bytes from register reg on.
func (d *Dev) Reg(ctx context.Context, reg byte, n int) ([]byte, error) {
	r := make([]byte, n)
	return r, d.Tx(ctx, []byte{reg}, r)
}

// U8 reads the register reg.
func (d *Dev) U8(ctx context.Context, reg byte) (byte, error) {
	r, err := d.Reg(ctx, reg, 1)
	return r[0], err
}

// U16 reads the register reg, high byte first.
func (d *Dev) U16(ctx context.Context, reg byte) (uint16, error) {
	r, err := d.Reg(ctx, reg, 2)
	return uint16(r[0])<<8 | uint16(r[1]), err
}

// LE16 reads the register reg, low byte first.
func (d *Dev) LE16(ctx context.Context, reg byte) (uint16, error) {
	r, err := d.Reg(ctx, reg, 2)
	return uint16(r[1])<<8 | uint16(r[0]), err
}

// Write16 writes the register reg, high byte first.
func (d *Dev) Write16(ctx context.Context, reg byte, v uint16) error {
	return d.Write(ctx, reg, byte(v>>8), byte(v))
}

// NotStuck looks whether the bus itself answers in the chip's stead: a data line that is
// held low acknowledges every address and reads as zeros. It asks an address that no
// chip may have (0x7b, NXP UM10204 section 3.1.12: first byte of a 10-bit address). For
// chips without an id, when what they said could have been said by nobody.
func (d *Dev) NotStuck(ctx context.Context) error {
	if d.via != nil {
		return d.At(d.via.Stuck())
	}
	const nobody = 0x7b
	a := d.addr
	a.Chip = nobody
	err := d.owner.tx(ctx, a, nil, make([]byte, 1))
	if err == nil {
		return d.Errorf("%w: the bus answers at every address (a data line held low?)", drivers.ErrNoAnswer)
	}
	return d.At(ctx.Err())
}

// Sleep waits for a conversion.
func Sleep(ctx context.Context, wait time.Duration) error {
	if !drivers.Sleep(ctx, wait) {
		return ctx.Err()
	}
	return nil
}
