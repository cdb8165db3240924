package gpio

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"

	"sensorgate/drivers"
)

// Chips finds lines on the chips of one machine and knows the interlocks between
// outputs. It keeps nothing open and starts nothing.
type Chips struct {
	kernel Kernel
	pwm    sysfs
	log    *slog.Logger

	mu     sync.Mutex
	groups map[string]*group // interlocks by name
}

// NewChips works on /dev/gpiochip*, which are looked up whenever a line is opened.
func NewChips(log *slog.Logger) *Chips { return NewChipsOn(Cdev{Dev: "/dev"}, log) }

// NewChipsOn works on another kernel, such as gpiotest's.
func NewChipsOn(k Kernel, log *slog.Logger) *Chips {
	return &Chips{kernel: k, pwm: realSysfs{}, log: log, groups: map[string]*group{}}
}

// Drivers are all the drivers of this package.
func Drivers(c *Chips) []drivers.Driver {
	return []drivers.Driver{inputDriver(c), pulseDriver(c), frequencyDriver(c), outputDriver(c), pwmDriver(c)}
}

// place is where a line is.
type place struct {
	chip   ChipInfo
	offset int
}

// find looks ref up among the chips that are there now.
func (c *Chips) find(ref Ref) (place, error) {
	wantChip, want := ref.split()
	chips, err := c.kernel.Chips()
	if err != nil {
		return place{}, err
	}
	if len(chips) == 0 {
		return place{}, fmt.Errorf("%w: this machine has no /dev/gpiochip*", drivers.ErrAbsent)
	}
	pin := false
	if wantChip == "" {
		if line, ok, err := headerPin(c.kernel.Board(), want); err != nil {
			return place{}, err
		} else if ok {
			want, pin = line, true
		}
	}
	var found []place
	chipSeen := false
	for _, chip := range chips {
		if wantChip != "" && chip.Name != wantChip && chip.Label != wantChip || pin && !chip.onHeader() {
			continue
		}
		chipSeen = true
		offset, ok, err := c.lineOn(chip, want, wantChip != "")
		if err != nil {
			return place{}, err
		}
		if ok {
			found = append(found, place{chip, offset})
		}
	}
	switch {
	case !chipSeen && pin:
		return place{}, fmt.Errorf("%w: no chip behind the header (have %s)", drivers.ErrAbsent, chipNames(chips))
	case !chipSeen:
		return place{}, fmt.Errorf("%w: no chip %q (have %s)", drivers.ErrAbsent, wantChip, chipNames(chips))
	case len(found) == 0:
		return place{}, fmt.Errorf("%w: no line %q (try: sensorgate scan gpio)", drivers.ErrAbsent, want)
	case len(found) > 1:
		return place{}, fmt.Errorf("%q is the name of two lines, %v and %v: say which", want, found[0], found[1])
	}
	return found[0], nil
}

func (c *Chips) lineOn(chip ChipInfo, want string, numbers bool) (offset int, ok bool, err error) {
	if n, err := strconv.Atoi(want); err == nil && numbers {
		if n < 0 || n >= chip.Lines {
			return 0, false, fmt.Errorf("%s has lines 0 to %d", chip.Name, chip.Lines-1)
		}
		return n, true, nil
	}
	lines, err := c.kernel.Lines(chip.Name)
	if err != nil {
		return 0, false, err
	}
	for _, l := range lines {
		if named(l.Name, want) {
			return l.Offset, true, nil
		}
	}
	return 0, false, nil
}

func (p place) String() string { return p.chip.Name + ":" + strconv.Itoa(p.offset) }

func chipNames(chips []ChipInfo) string {
	names := make([]string, len(chips))
	for i, c := range chips {
		names[i] = c.Name + " " + c.Label
	}
	return strings.Join(names, ", ")
}

// request finds and takes the line of a device. Errors start with the line.
func (c *Chips) request(device string, ref Ref, cfg Config) (Line, error) {
	p, err := c.find(ref)
	if err != nil {
		return nil, fmt.Errorf("gpio %s: %w", ref, err)
	}
	c.log.Debug("line found", "device", device, "gpio", ref, "at", p.String())
	cfg.Consumer = "sensorgate:" + device
	l, err := c.kernel.Request(p.chip.Name, p.offset, cfg)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, ErrBusy):
		return nil, fmt.Errorf("gpio %s: %w by %q", ref, ErrBusy, c.consumer(p))
	case errors.Is(err, ErrUnsupported):
		return nil, fmt.Errorf("gpio %s: %w (%s)", ref, err, asked(cfg))
	}
	return nil, fmt.Errorf("gpio %s: %w", ref, err)
}

// consumer returns who has the line.
func (c *Chips) consumer(p place) string {
	lines, err := c.kernel.Lines(p.chip.Name)
	if err != nil || p.offset >= len(lines) {
		return "?"
	}
	return lines[p.offset].Consumer
}

// asked returns what a line that refuses was asked for.
func asked(cfg Config) string {
	switch {
	case cfg.Output:
		return "asked for an output"
	case cfg.Edges != 0:
		return "asked for edges; a line without an interrupt can be read with poll"
	}
	return "asked for an input"
}
