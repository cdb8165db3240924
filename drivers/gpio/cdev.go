package gpio

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Flags of a line request and of a line's info; linux/gpio.h, enum gpio_v2_line_flag.
const (
	flagUsed          = 1 << 0
	flagActiveLow     = 1 << 1
	flagInput         = 1 << 2
	flagOutput        = 1 << 3
	flagEdgeRising    = 1 << 4
	flagEdgeFalling   = 1 << 5
	flagOpenDrain     = 1 << 6
	flagOpenSource    = 1 << 7
	flagBiasPullUp    = 1 << 8
	flagBiasPullDown  = 1 << 9
	flagBiasDisabled  = 1 << 10
	ioctlV2SetConfig  = 0xc110b40d // GPIO_V2_LINE_SET_CONFIG_IOCTL, the same on all architectures
	maxKernelDebounce = 1<<32 - 1  // µs in a u32
)

// Cdev is the real kernel. Dev is "/dev".
type Cdev struct {
	Dev string
}

// Board reads the device tree.
func (c Cdev) Board() string {
	b, _ := os.ReadFile("/proc/device-tree/model")
	return strings.TrimRight(string(b), "\x00\n")
}

// Chips asks every gpiochip for its name: /dev/gpiochip4 of a Raspberry Pi 5 is a
// link to gpiochip0, and one chip must not come twice.
func (c Cdev) Chips() ([]ChipInfo, error) {
	paths, err := filepath.Glob(filepath.Join(c.Dev, "gpiochip*"))
	if err != nil {
		return nil, err
	}
	var chips []ChipInfo
	var firstErr error
	for _, p := range paths {
		info, err := chipInfo(p)
		if err != nil {
			if firstErr == nil {
				firstErr = err
			}
			continue
		}
		if !slices.ContainsFunc(chips, func(o ChipInfo) bool { return o.Name == info.Name }) {
			chips = append(chips, info)
		}
	}
	if len(chips) == 0 && firstErr != nil {
		return nil, firstErr
	}
	sort.Slice(chips, func(i, k int) bool { return compareNumbered(chips[i].Name, chips[k].Name) < 0 })
	return chips, nil
}

// compareNumbered puts gpiochip2 before gpiochip10.
func compareNumbered(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

func chipInfo(path string) (ChipInfo, error) {
	f, err := openChip(path)
	if err != nil {
		return ChipInfo{}, err
	}
	defer f.Close()
	var raw unix.GPIOChipInfo
	if err := ioctl(f, unix.GPIO_GET_CHIPINFO_IOCTL, unsafe.Pointer(&raw)); err != nil {
		return ChipInfo{}, fmt.Errorf("%s: not a GPIO chip: %w", path, err)
	}
	return ChipInfo{Name: cString(raw.Name[:]), Label: cString(raw.Label[:]), Lines: int(raw.Lines)}, nil
}

func openChip(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, gone(err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w (is the user in the group gpio?)", err)
	}
	return f, err
}

// Lines asks for each line; there is no call for all.
func (c Cdev) Lines(chip string) ([]LineInfo, error) {
	f, err := openChip(filepath.Join(c.Dev, chip))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var raw unix.GPIOChipInfo
	if err := ioctl(f, unix.GPIO_GET_CHIPINFO_IOCTL, unsafe.Pointer(&raw)); err != nil {
		return nil, fmt.Errorf("%s: %w", chip, err)
	}
	lines := make([]LineInfo, raw.Lines)
	for i := range lines {
		info := unix.GPIOV2LineInfo{Offset: uint32(i)}
		err := ioctl(f, unix.GPIO_V2_GET_LINEINFO_IOCTL, unsafe.Pointer(&info))
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTTY) { // an unknown request
			return nil, fmt.Errorf("%s: this kernel does not know the GPIO interface v2 (5.10 or later is needed): %w", chip, err)
		}
		if err != nil {
			return nil, fmt.Errorf("%s line %d: %w", chip, i, err)
		}
		lines[i] = LineInfo{
			Offset: i, Name: cString(info.Name[:]), Consumer: cString(info.Consumer[:]),
			Used: info.Flags&flagUsed != 0, Output: info.Flags&flagOutput != 0, ActiveLow: info.Flags&flagActiveLow != 0,
		}
	}
	return lines, nil
}

// Request takes the line with all it needs in one call, so that an output has its
// first level without a glitch and no edge comes before the debounce is set.
func (c Cdev) Request(chip string, offset int, cfg Config) (Line, error) {
	f, err := openChip(filepath.Join(c.Dev, chip))
	if err != nil {
		return nil, err
	}
	defer f.Close() // the line has a descriptor of its own
	var req unix.GPIOV2LineRequest
	req.Offsets[0] = uint32(offset)
	req.Num_lines = 1
	req.Event_buffer_size = uint32(cfg.Buffer)
	copy(req.Consumer[:len(req.Consumer)-1], cfg.Consumer)
	req.Config = lineConfig(cfg)
	if cfg.Output && cfg.Keep {
		// Neither direction: the line is taken as it is, and turned into an output
		// with the level found, so that a pump that runs goes on running. Attributes that
		// are not counted must be zero, or 6.1 answers EINVAL.
		req.Config = unix.GPIOV2LineConfig{Flags: req.Config.Flags & flagActiveLow}
	}
	if err := ioctl(f, unix.GPIO_V2_GET_LINE_IOCTL, unsafe.Pointer(&req)); err != nil {
		return nil, requestError(err)
	}
	// Non-blocking, so that the runtime's poller waits for edges and no thread does.
	if err := unix.SetNonblock(int(req.Fd), true); err != nil {
		return nil, errors.Join(err, unix.Close(int(req.Fd)))
	}
	l := &cdevLine{f: os.NewFile(uintptr(req.Fd), chip+":"+strconv.Itoa(offset))}
	if cfg.Output && cfg.Keep {
		if err := l.keep(cfg); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

func lineConfig(cfg Config) unix.GPIOV2LineConfig {
	var c unix.GPIOV2LineConfig
	c.Flags = flagInput
	if cfg.Output {
		c.Flags = flagOutput
		attr(&c, unix.GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES, bit(cfg.Value))
	}
	if cfg.ActiveLow {
		c.Flags |= flagActiveLow
	}
	c.Flags |= map[Drive]uint64{OpenDrain: flagOpenDrain, OpenSource: flagOpenSource}[cfg.Drive]
	c.Flags |= map[Pull]uint64{PullUp: flagBiasPullUp, PullDown: flagBiasPullDown, PullNone: flagBiasDisabled}[cfg.Pull]
	if cfg.Edges&Rising != 0 {
		c.Flags |= flagEdgeRising
	}
	if cfg.Edges&Falling != 0 {
		c.Flags |= flagEdgeFalling
	}
	if cfg.Debounce > 0 {
		us := min(cfg.Debounce.Microseconds(), maxKernelDebounce)
		// The attribute is a union: the u32 of microseconds lies where a little-endian
		// u64 has its low half, and all our targets are little-endian.
		attr(&c, unix.GPIO_V2_LINE_ATTR_ID_DEBOUNCE, uint64(us))
	}
	return c
}

func attr(c *unix.GPIOV2LineConfig, id uint32, value uint64) {
	c.Attrs[c.Num_attrs] = unix.GPIOV2LineConfigAttribute{Attr: unix.GPIOV2LineAttribute{Id: id, Flags: value}, Mask: 1}
	c.Num_attrs++
}

// requestError returns what the kernel's answers to GPIO_V2_GET_LINE mean.
func requestError(err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%w: %w", ErrBusy, err)
	case errors.Is(err, unix.ENODEV):
		return gone(err)
	case errors.Is(err, unix.ENXIO), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.Errno(524)): // ENOTSUPP
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return err
}

// cdevLine is a line's descriptor.
type cdevLine struct {
	f   *os.File
	raw [64]unix.GPIOV2LineEvent // of Wait, which has one caller
}

func (l *cdevLine) keep(cfg Config) error {
	v, err := l.Get()
	if err != nil {
		return err
	}
	cfg.Value = v
	c := lineConfig(cfg)
	if err := ioctl(l.f, ioctlV2SetConfig, unsafe.Pointer(&c)); err != nil {
		return fmt.Errorf("set config: %w", requestError(err))
	}
	return nil
}

func (l *cdevLine) Get() (bool, error) {
	v := unix.GPIOV2LineValues{Mask: 1}
	if err := ioctl(l.f, unix.GPIO_V2_LINE_GET_VALUES_IOCTL, unsafe.Pointer(&v)); err != nil {
		return false, lineError(err)
	}
	return v.Bits&1 != 0, nil
}

func (l *cdevLine) Set(active bool) error {
	v := unix.GPIOV2LineValues{Mask: 1, Bits: bit(active)}
	return lineError(ioctl(l.f, unix.GPIO_V2_LINE_SET_VALUES_IOCTL, unsafe.Pointer(&v)))
}

func (l *cdevLine) Close() error { return l.f.Close() }

func (l *cdevLine) Wait(ctx context.Context, until time.Time, buf []Event) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	want := min(len(buf), len(l.raw))
	b := unsafe.Slice((*byte)(unsafe.Pointer(&l.raw)), want*int(unsafe.Sizeof(l.raw[0])))
	// First without waiting: a deadline that has passed would hide events that are there.
	n, err := l.readNow(b)
	if errors.Is(err, unix.EAGAIN) && (until.IsZero() || time.Now().Before(until)) {
		n, err = l.readUntil(ctx, until, b)
	}
	switch {
	case ctx.Err() != nil && n <= 0:
		return 0, ctx.Err()
	case errors.Is(err, unix.EAGAIN), errors.Is(err, os.ErrDeadlineExceeded):
		return 0, nil
	case err != nil:
		return 0, lineError(err)
	}
	n /= int(unsafe.Sizeof(l.raw[0]))
	l.convert(buf[:n])
	return n, nil
}

func (l *cdevLine) readNow(b []byte) (n int, err error) {
	rc, err := l.f.SyscallConn()
	if err != nil {
		return 0, err
	}
	if cerr := rc.Control(func(fd uintptr) {
		n, err = unix.Read(int(fd), b)
	}); cerr != nil {
		return 0, cerr
	}
	return n, err
}

func (l *cdevLine) readUntil(ctx context.Context, until time.Time, b []byte) (int, error) {
	if err := l.f.SetReadDeadline(until); err != nil {
		return 0, err
	}
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		_ = l.f.SetReadDeadline(time.Unix(1, 0)) // wakes Read; fails only on a closed file, which wakes it too
	})
	n, err := l.f.Read(b)
	if !stop() {
		<-woken // or it would cut short a later wait
	}
	return n, err
}

// convert puts the kernel's monotonic times on the wall clock as it is now.
func (l *cdevLine) convert(buf []Event) {
	now, mono := time.Now(), monotonic()
	for i := range buf {
		r := &l.raw[i]
		at := time.Duration(r.Timestamp_ns)
		buf[i] = Event{Rising: r.Id == unix.GPIO_V2_LINE_EVENT_RISING_EDGE, Seq: r.Line_seqno, Mono: at, Time: now.Add(at - mono)}
	}
}

func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0 // cannot happen: the clock exists and the pointer is good
	}
	return time.Duration(ts.Nano())
}

// lineError turns the answers of a line whose chip went away into ErrAbsent.
func lineError(err error) error {
	if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) {
		return gone(err)
	}
	return err
}

func ioctl(f *os.File, req uint, p unsafe.Pointer) error {
	rc, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var errno syscall.Errno
	if err := rc.Control(func(fd uintptr) {
		for {
			_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, uintptr(req), uintptr(p))
			if errno != unix.EINTR {
				return
			}
		}
	}); err != nil {
		return err
	}
	if errno != 0 {
		return errno
	}
	return nil
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func cString(b []byte) string {
	if i := slices.Index(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
