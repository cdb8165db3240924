package bus

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"

	"periph.io/x/conn/v3/i2c"

	"sensorgate/drivers"
)

// sysfs is where the kernel lists its adapters, "/sys".
type sysfs string

// Adapter is one I2C bus of the machine.
type Adapter struct {
	Number int
	Name   string // as its driver calls it: "bcm2835 (i2c@7e804000)"
}

// Adapters lists the buses of the machine by number.
func Adapters() ([]Adapter, error) { return sysfs("/sys").adapters() }

func (s sysfs) adapters() ([]Adapter, error) {
	dirs, err := filepath.Glob(filepath.Join(string(s), "bus/i2c/devices/i2c-*"))
	if err != nil {
		return nil, err
	}
	var all []Adapter
	for _, dir := range dirs {
		n, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), "i2c-"))
		if err != nil {
			continue
		}
		name, err := os.ReadFile(filepath.Join(dir, "name"))
		if err != nil {
			continue // unplugged just now
		}
		all = append(all, Adapter{Number: n, Name: strings.TrimSpace(string(name))})
	}
	sort.Slice(all, func(i, k int) bool { return all[i].Number < all[k].Number })
	return all, nil
}

// number finds the bus called name, which is a number or an adapter's name.
func (s sysfs) number(name string) (int, error) {
	if n, err := strconv.Atoi(name); err == nil {
		return n, nil
	}
	all, err := s.adapters()
	if err != nil {
		return 0, err
	}
	for _, a := range all {
		if a.Name == name {
			return a.Number, nil
		}
	}
	return 0, fmt.Errorf("no adapter is called %q: %w (try: sensorgate scan i2c)", name, drivers.ErrAbsent)
}

// open is the Opener of the real machine.
func (s sysfs) open(name string) (i2c.BusCloser, error) {
	n, err := s.number(name)
	if err != nil {
		return nil, err
	}
	return openDevice("/dev/i2c-" + strconv.Itoa(n))
}

// kernelDriver names the kernel driver that owns an address, "" if none does. Talking
// to such a chip behind its driver's back would not be refused by the kernel (only
// I2C_SLAVE is), and would spoil the numbers of both.
func (s sysfs) kernelDriver(name string, addr uint16) string {
	n, err := s.number(name)
	if err != nil {
		return ""
	}
	link, err := os.Readlink(filepath.Join(string(s), "bus/i2c/devices", fmt.Sprintf("%d-%04x", n, addr), "driver"))
	if err != nil {
		return ""
	}
	return filepath.Base(link)
}

// rebind takes the adapter from its kernel driver and returns it, which resets it.
// It needs root, and an adapter that is a device of its own (not a multiplexer's
// channel). A chip that holds the data line low is freed by the clock pulses that many
// adapter drivers send when they start.
func (s sysfs) rebind(name string) error {
	n, err := s.number(name)
	if err != nil {
		return err
	}
	bus, err := filepath.EvalSymlinks(filepath.Join(string(s), "bus/i2c/devices", "i2c-"+strconv.Itoa(n)))
	if err != nil {
		return err
	}
	dev := filepath.Dir(bus)
	driver, err := filepath.EvalSymlinks(filepath.Join(dev, "driver"))
	if err != nil {
		return fmt.Errorf("its adapter cannot be reset: %w (try: power the board off and on)", err)
	}
	if name := filepath.Base(driver); !Resettable(name) {
		return fmt.Errorf("its adapter is not reset: %s is not the driver of a bus alone (try: power the board off and on)", name)
	}
	id := []byte(filepath.Base(dev))
	if err := os.WriteFile(filepath.Join(driver, "unbind"), id, 0); err != nil {
		if errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EROFS) { // read-only in our unit
			return fmt.Errorf("%w: %w (try: sensorgate doctor says what frees a bus here)", errOnlyRoot, err)
		}
		return err
	}
	return os.WriteFile(filepath.Join(driver, "bind"), id, 0)
}

var errOnlyRoot = errors.New("only root may reset its adapter")

// Resettable reports whether a kernel driver may be taken from its device to reset a bus: it
// drives a bus and no more. A display's has buses too, and the display would go with it.
func Resettable(name string) bool {
	return strings.Contains(name, "i2c") || strings.Contains(name, "smbus")
}

// ask leaves a request to reset the adapter for the helper unit, which is off by default. A
// request that is still there was taken by nobody, and is withdrawn.
func (s sysfs) ask(name, folder string) error {
	n, err := s.number(name)
	if err != nil {
		return err
	}
	request := filepath.Join(folder, "i2c-reset-"+strconv.Itoa(n))
	switch err := os.Remove(request); {
	case err == nil:
		return fmt.Errorf("%w, and nobody does it when asked (try: sudo systemctl enable --now sensorgate-i2c-reset.path)", errOnlyRoot)
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	return os.WriteFile(request, nil, 0o600)
}
