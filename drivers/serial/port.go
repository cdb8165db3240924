package serial

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"time"
	"unsafe"

	bug "go.bug.st/serial"
	"golang.org/x/sys/unix"

	"sensorgate/drivers"
)

// conn is an open port as its Bus uses it. Read and Write may run at the same time;
// everything else is the Bus's alone.
type conn interface {
	// Read returns what has arrived, or 0, nil when nothing came for a readTick.
	Read(p []byte) (int, error)
	// Write sends all of p or fails. It does not block for long.
	Write(p []byte) error
	// SetLine changes speed and frame, after everything written is on the wire.
	SetLine(Line) error
	// Close is called after the last Read and Write have returned.
	Close() error
}

const (
	// readTick is how long a Read waits, and so how long closing a silent port takes.
	// The library's Close frees the descriptor before a pending Read has left it, and
	// the Read may then take bytes from whatever file gets its number; so readers leave first.
	readTick = 200 * time.Millisecond

	// writeSlack is added to the time a write needs on the wire. The library's Write
	// has no time-out, and Close does not end it.
	writeSlack = time.Second

	// maxDescriptor is below what select can take; above it the library panics.
	maxDescriptor = 1023 - 8
)

// tty is a serial port. Beside the library's descriptor it has one of its own, for
// what the library does not do: the lock, RS-485, reading the speed back.
type tty struct {
	path  string
	port  bug.Port
	own   int
	line  Line
	rs485 RS485
	stuck chan error // of a write that does not come back
}

func openTTY(path string, o *PortOptions) (_ *tty, err error) {
	own, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, explainOpen(path, err)
	}
	t := &tty{path: path, own: own, rs485: o.RS485}
	defer func() {
		if err != nil {
			t.Close()
		}
	}()
	if own > maxDescriptor {
		return nil, fmt.Errorf("descriptor %d is too high for a serial port: %d files are open", own, own)
	}
	if _, err := unix.IoctlGetTermios(own, unix.TCGETS); err != nil {
		return nil, fmt.Errorf("not a serial port: %w", err)
	}
	// TIOCEXCL does not keep root out, nor those who were there before.
	if err := unix.Flock(own, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, explainOpen(path, unix.EBUSY)
	}
	if o.RS485 == RS485Kernel {
		if err := enableRS485(own); err != nil {
			return nil, fmt.Errorf("its UART driver cannot switch RS-485 (%w); try rs485 = \"rts\" or an automatic adapter", err)
		}
	}
	line := o.Line.orDefault()
	if t.port, err = bug.Open(path, mode(line)); err != nil {
		return nil, explainOpen(path, err)
	}
	if err := t.port.SetReadTimeout(readTick); err != nil {
		return nil, err
	}
	if err := t.applied(line); err != nil {
		return nil, err
	}
	return t, t.modemLines(o)
}

// explainOpen adds what an operator can do about a port that does not open. The
// library's errors do not unwrap, so they are distinguished by code.
func explainOpen(path string, err error) error {
	var pe *bug.PortError
	busy, denied := errors.Is(err, unix.EBUSY), errors.Is(err, unix.EACCES)
	if errors.As(err, &pe) {
		busy, denied = pe.Code() == bug.PortBusy, pe.Code() == bug.PermissionDenied
	}
	switch {
	case busy:
		if users := openBy(path); len(users) > 0 {
			return fmt.Errorf("in use by %s", users[0])
		}
		return errors.New("in use by another program")
	case denied:
		return errors.New("no permission (is the user in group dialout?)")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV), errors.Is(err, unix.EIO):
		// ENXIO and EIO: the adapter is just going or just coming.
		return fmt.Errorf("%w (plugged in? try: sensorgate scan serial)", drivers.ErrAbsent)
	}
	return err
}

func mode(l Line) *bug.Mode {
	m := &bug.Mode{BaudRate: l.Baud, DataBits: l.Bits, StopBits: bug.OneStopBit}
	if l.Stop == 2 {
		m.StopBits = bug.TwoStopBits
	}
	switch l.Parity {
	case 'E':
		m.Parity = bug.EvenParity
	case 'O':
		m.Parity = bug.OddParity
	case 'M':
		m.Parity = bug.MarkParity
	case 'S':
		m.Parity = bug.SpaceParity
	}
	return m
}

// applied checks that the hardware runs at the speed that was asked for: 250000 baud
// on an 8250 gives 115200 without an error.
func (t *tty) applied(l Line) error {
	t.line = l
	got, err := unix.IoctlGetTermios(t.own, unix.TCGETS2)
	if err != nil {
		return nil // an old driver that cannot tell
	}
	if off := math.Abs(float64(got.Ospeed)-float64(l.Baud)) / float64(l.Baud); got.Ospeed != 0 && off > 0.03 {
		return fmt.Errorf("the port cannot do %d baud (it took %d)", l.Baud, got.Ospeed)
	}
	return nil
}

// modemLines sets DTR and RTS where the options say so. Opening raises both for a
// moment whatever they say (and resets an Arduino): Linux does that itself.
func (t *tty) modemLines(o *PortOptions) error {
	set := func(f func(bool) error, to *bool) error {
		if to == nil {
			return nil
		}
		return f(*to)
	}
	rts := o.RTS
	if o.RS485.usesRTS() {
		listening := o.RS485 == RS485RTSLow
		rts = &listening
	}
	if err := errors.Join(set(t.port.SetDTR, o.DTR), set(t.port.SetRTS, rts)); err != nil {
		return fmt.Errorf("modem lines: %w", err)
	}
	return nil
}

// Read turns the library's panic on a high descriptor into an error.
func (t *tty) Read(p []byte) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			n, err = 0, fmt.Errorf("read: %v", r)
		}
	}()
	return t.port.Read(p)
}

// Write hands p to a goroutine of its own, because a write into a stuck port blocks
// forever. When it takes too long the output queue is thrown away, which ends most
// such writes; one that stays keeps its own copy of p and the descriptor.
func (t *tty) Write(p []byte) error {
	if t.stuck != nil {
		return fmt.Errorf("%s: an earlier write never ended", t.path)
	}
	sent := make(chan error, 1)
	go func(p []byte) { sent <- t.send(p) }(append([]byte(nil), p...))
	limit := time.NewTimer(writeSlack + 2*time.Duration(len(p))*t.line.CharTime())
	defer limit.Stop()
	select {
	case err := <-sent:
		return err
	case <-limit.C:
	}
	t.port.ResetOutputBuffer()
	limit.Reset(writeSlack)
	select {
	case <-sent:
	case <-limit.C:
		t.stuck = sent
	}
	return fmt.Errorf("write: nothing left the port for %v", writeSlack)
}

// send writes all of p. The library's Write may be short and does not repeat what a
// signal interrupted.
func (t *tty) send(p []byte) error {
	if t.rs485.usesRTS() {
		if err := t.port.SetRTS(t.rs485 == RS485RTS); err != nil {
			return err
		}
		defer t.port.SetRTS(t.rs485 == RS485RTSLow)
	}
	for len(p) > 0 {
		n, err := t.port.Write(p)
		if err != nil && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return err
		}
		p = p[n:]
	}
	if t.rs485.usesRTS() {
		return t.drain() // RTS must not fall before the last bit has left
	}
	return nil
}

// drain waits until all has left. A signal, of which Go's scheduler sends many, ends
// the library's wait early.
func (t *tty) drain() error {
	for {
		if err := t.port.Drain(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func (t *tty) SetLine(l Line) error {
	if err := t.drain(); err != nil {
		return err
	}
	if err := t.port.SetMode(mode(l)); err != nil {
		return err
	}
	return t.applied(l)
}

func (t *tty) Close() error {
	unix.Close(t.own)
	switch {
	case t.port == nil:
		return nil
	case t.stuck != nil:
		go func(port bug.Port, stuck chan error) { <-stuck; port.Close() }(t.port, t.stuck)
		return nil
	}
	return t.port.Close()
}

// rs485 is struct serial_rs485 of linux/serial.h.
type rs485 struct {
	flags       uint32
	delayBefore uint32 // ms
	delayAfter  uint32
	_           [5]uint32
}

const (
	rs485Enabled   = 1 << 0
	rs485RTSOnSend = 1 << 1
)

// enableRS485 makes the UART driver raise RTS while it sends. The setting stays with
// the UART when this descriptor is closed.
func enableRS485(fd int) error {
	c := rs485{flags: rs485Enabled | rs485RTSOnSend}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCSRS485, uintptr(unsafe.Pointer(&c))); errno != 0 {
		return os.NewSyscallError("TIOCSRS485", errno)
	}
	return nil
}
