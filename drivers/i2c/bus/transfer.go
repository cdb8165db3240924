package bus

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"

	"sensorgate/drivers"
)

// linux/i2c-dev.h and linux/i2c.h.
const (
	ioctlTimeout = 0x702 // unit: 10 ms
	ioctlFuncs   = 0x705
	ioctlRdwr    = 0x707
	flagRead     = 0x0001
	funcI2C      = 0x00000001
	maxMessage   = 8192

	// adapterTimeout is how long the kernel waits for a chip that holds the clock, in
	// units of ioctlTimeout. The slowest chip we know (SCD30) holds it for 150 ms.
	adapterTimeout = 25
)

// device is an open /dev/i2c-N.
type device struct {
	mu sync.Mutex // Close must not give the descriptor away under a transfer
	f  *os.File
}

var _ i2c.BusCloser = (*device)(nil)

func openDevice(path string) (*device, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, explainOpen(path, err)
	}
	d := &device{f: f}
	var funcs uintptr // unsigned long
	if _, err := d.ioctl(ioctlFuncs, unsafe.Pointer(&funcs)); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: not an I2C adapter: %w", path, err)
	}
	if funcs&funcI2C == 0 {
		f.Close()
		return nil, fmt.Errorf("%s: the adapter speaks SMBus only, which no chip driver here can use", path)
	}
	// Not all adapters have a timeout to set.
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), ioctlTimeout, adapterTimeout); e != 0 && e != syscall.EINVAL && e != syscall.ENOTTY {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, e)
	}
	return d, nil
}

func explainOpen(path string, err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s: %w (on a Raspberry Pi: dtparam=i2c_arm=on in config.txt; elsewhere: modprobe i2c-dev)", path, drivers.ErrAbsent)
	case errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ENODEV):
		return fmt.Errorf("%s: %w", path, drivers.ErrAbsent)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s: not allowed (try: add the user to group i2c)", path)
	}
	return err
}

// message is struct i2c_msg, request struct i2c_rdwr_ioctl_data. The pointers stay
// pointers until the system call, so the garbage collector and a growing stack see them.
type message struct {
	addr, flags, length uint16
	buf                 unsafe.Pointer
}

type request struct {
	messages unsafe.Pointer
	n        uint32
}

// Tx writes w, then, after a repeated start, reads r. Either may be empty.
func (d *device) Tx(addr uint16, w, r []byte) error {
	if len(w) > maxMessage || len(r) > maxMessage {
		return syscall.EINVAL
	}
	var m [2]message
	n := 0
	if len(w) > 0 || len(r) == 0 {
		m[n] = message{addr: addr, length: uint16(len(w)), buf: unsafe.Pointer(unsafe.SliceData(w))}
		n++
	}
	if len(r) > 0 {
		m[n] = message{addr: addr, flags: flagRead, length: uint16(len(r)), buf: unsafe.Pointer(unsafe.SliceData(r))}
		n++
	}
	req := request{messages: unsafe.Pointer(&m), n: uint32(n)}
	d.mu.Lock()
	defer d.mu.Unlock()
	done, err := d.ioctl(ioctlRdwr, unsafe.Pointer(&req))
	runtime.KeepAlive(w)
	runtime.KeepAlive(r)
	runtime.KeepAlive(&m)
	if err != nil {
		return err
	}
	if done != n { // how some adapters, virtio among them, report an address without answer
		return syscall.EREMOTEIO
	}
	return nil
}

func (d *device) ioctl(op uintptr, arg unsafe.Pointer) (int, error) {
	for {
		n, _, e := syscall.Syscall(syscall.SYS_IOCTL, d.f.Fd(), op, uintptr(arg))
		switch e {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, e
		}
	}
}

// SetSpeed cannot be done from a program: the device tree says how fast a bus is.
func (d *device) SetSpeed(physic.Frequency) error {
	return errors.New("the speed of a bus is set in the device tree (on a Raspberry Pi: dtparam=i2c_arm_baudrate=…)")
}

// String returns the path.
func (d *device) String() string { return d.f.Name() }

// Close waits for a transfer that is under way.
func (d *device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.f.Close()
}

// explain makes of an error number what it means on this bus.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.EREMOTEIO), errors.Is(err, syscall.EIO):
		// Documentation/i2c/fault-codes: ENXIO is no answer to the address; many adapters
		// say EREMOTEIO or EIO instead.
		return fmt.Errorf("%w (wired? try: sensorgate scan i2c) (%w)", drivers.ErrNoAnswer, err)
	case errors.Is(err, syscall.ETIMEDOUT):
		return fmt.Errorf("%w: the bus timed out (a line held low? pull-ups missing?) (%w)", drivers.ErrNoAnswer, err)
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EBUSY):
		return fmt.Errorf("%w: the bus is not free (a line held low, or a second master?) (%w)", drivers.ErrNoAnswer, err)
	case errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ESHUTDOWN):
		return fmt.Errorf("the adapter: %w (%w)", drivers.ErrAbsent, err)
	}
	return err
}
