package bus

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/spi"

	"sensorgate/drivers"
)

// linux/spi/spidev.h.
const (
	iocWriteMode  = 0x40016b01
	iocReadMode   = 0x80016b01
	iocWriteBits  = 0x40016b03
	iocWriteSpeed = 0x40046b04
	iocMessage    = 0x40206b00 // of one transfer

	// maxTransfer is what spidev takes unless its bufsiz says more.
	maxTransfer = 4096
)

// Settings are how a chip is talked to.
type Settings struct {
	Mode  spi.Mode // 0 to 3: clock polarity and phase
	Hertz uint32   // the highest; the controller may be slower
}

// transfer is struct spi_ioc_transfer.
type transfer struct {
	tx, rx        uint64
	length, speed uint32
	delay         uint16
	bits, change  uint8
	txBits        uint8
	rxBits        uint8
	wordDelay     uint8
	pad           uint8
}

// device is an open /dev/spidevN.M. Its buffers are on the heap and its own, so what the
// kernel is given neither moves nor goes, whatever a stack or the garbage collector does.
type device struct {
	mu     sync.Mutex // Close must not give the descriptor away under a transfer
	f      *os.File
	node   func(op uintptr, arg unsafe.Pointer) error // the ioctl; a test's, to see what it is given
	hertz  uint32
	tx, rx []byte
	msg    transfer
}

func newDevice(f *os.File, node func(uintptr, unsafe.Pointer) error) *device {
	return &device{f: f, node: node, tx: make([]byte, maxTransfer), rx: make([]byte, maxTransfer)}
}

var _ spi.Conn = (*device)(nil)

func openDevice(a Addr, s Settings) (Conn, error) {
	f, err := os.OpenFile(a.path(), os.O_RDWR, 0)
	if err != nil {
		return nil, explainOpen(a.path(), err)
	}
	d := newDevice(f, func(op uintptr, arg unsafe.Pointer) error { return ioctl(f, op, arg) })
	d.hertz = s.Hertz
	mode, bits, speed := new(uint8), new(uint8), new(uint32)
	*mode, *bits, *speed = uint8(s.Mode), 8, s.Hertz
	for _, set := range []struct {
		op  uintptr
		arg unsafe.Pointer
	}{{iocWriteMode, unsafe.Pointer(mode)}, {iocWriteBits, unsafe.Pointer(bits)}, {iocWriteSpeed, unsafe.Pointer(speed)}} {
		if err := d.node(set.op, set.arg); err != nil {
			f.Close()
			return nil, fmt.Errorf("%s: the controller refuses mode %d at %d Hz: %w", a.path(), s.Mode, s.Hertz, err)
		}
	}
	if err := d.node(iocReadMode, unsafe.Pointer(mode)); err == nil && *mode&3 != uint8(s.Mode)&3 {
		f.Close()
		return nil, fmt.Errorf("%s: the controller is in mode %d, not %d", a.path(), *mode&3, s.Mode)
	}
	return d, nil
}

func explainOpen(path string, err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s: %w (on a Raspberry Pi: dtparam=spi=on in config.txt; an overlay for a chip on this select takes the node away: use driver = \"iio\" then)", path, drivers.ErrAbsent)
	case errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ENODEV):
		return fmt.Errorf("%s: %w", path, drivers.ErrAbsent)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s: not allowed (try: add the user to group spi)", path)
	}
	return err
}

// Tx writes w while it reads r, in one message: the chip select stays low. Both have one
// length, or one of them is empty.
func (d *device) Tx(w, r []byte) error {
	n := max(len(w), len(r))
	if n == 0 || n > maxTransfer || len(w) != 0 && len(r) != 0 && len(w) != len(r) {
		return fmt.Errorf("%d bytes to write and %d to read: %w", len(w), len(r), syscall.EINVAL)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.tx[:n])
	copy(d.tx, w)
	d.msg = transfer{
		tx: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(d.tx)))), rx: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(d.rx)))),
		length: uint32(n), speed: d.hertz, bits: 8,
	}
	err := d.node(iocMessage, unsafe.Pointer(&d.msg))
	copy(r, d.rx)
	runtime.KeepAlive(d)
	return err
}

// TxPackets is for several messages under one select, which no chip here needs.
func (d *device) TxPackets([]spi.Packet) error { return errors.ErrUnsupported }

// Duplex implements conn.Conn.
func (d *device) Duplex() conn.Duplex { return conn.Full }

func (d *device) String() string { return d.f.Name() }

func ioctl(f *os.File, op uintptr, arg unsafe.Pointer) error {
	for {
		_, _, e := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), op, uintptr(arg))
		switch e {
		case 0:
			return nil
		case syscall.EINTR:
		default:
			return e
		}
	}
}

// Close waits for a transfer that is under way.
func (d *device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.f.Close()
}
