// Package hardware is what a virtual board has around it: an I2C bus with chips, a
// GPIO chip whose wires the host holds, the far ends of two serial lines. It is
// served to QEMU on UNIX sockets in one directory, and steered by lines of text, from
// the host through Command and from inside the guest through a port of its own.
package hardware

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"sensorgate/deploy/board/chips"
	"sensorgate/deploy/board/vhost"
)

// Socket names in the directory.
const (
	SocketI2C     = "i2c"
	SocketGPIO    = "gpio"
	SocketControl = "ctl"
	SocketTTY     = "ttyS1"
	SocketUSB     = "usb0"
	SocketQMP     = "qmp" // QEMU makes this one
)

// Hardware is one board's surroundings.
type Hardware struct {
	GPIO *GPIO
	Bus  *chips.Bus

	dir        string
	adapter    *i2cAdapter
	kinds      map[string]chips.Chip
	quantities map[string]*float64
	probe      *chips.DS18B20 // can be pulled off its wire
	ports      map[string]*serialPort
	listeners  map[string]*net.UnixListener
}

// New makes the hardware and its sockets in dir, whose path must be short, as paths
// of UNIX sockets are.
func New(dir string) (*Hardware, error) {
	h := &Hardware{dir: dir, Bus: &chips.Bus{}, ports: map[string]*serialPort{SocketTTY: {echo: true}, SocketUSB: {echo: true}}, listeners: map[string]*net.UnixListener{}}
	h.adapter = &i2cAdapter{bus: h.Bus}
	h.populate()
	names := make([]string, 16)
	for i := range names[:15] { // real chips have unnamed lines too
		names[i] = "EXT" + strconv.Itoa(i)
	}
	h.GPIO = NewGPIO(append(names, spiLines...)...)
	h.GPIO.spi = h.populateSPI()
	for _, name := range []string{SocketI2C, SocketGPIO, SocketControl, SocketTTY, SocketUSB} {
		path := filepath.Join(dir, name)
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			return nil, errors.Join(err, h.closeAll())
		}
		h.listeners[name] = l
	}
	return h, nil
}

// populate puts the chips on the bus.
func (h *Hardware) populate() {
	sht := &chips.SHT3x{Celsius: 22.25, Humidity: 51}
	bme := chips.NewBME280()
	ads := chips.NewADS1115()
	ads.Volts = [4]float64{1.0, 0.5, 3.3, 0}
	fixed := chips.NewDS18B20(0x0123456789ab, 18.5)
	h.probe = chips.NewDS18B20(0xbeef, -5.25)
	h.kinds = map[string]chips.Chip{
		"sht3x": sht, "bme280": bme, "ads1115": ads, "ds2482": &chips.DS2482{Sensors: []*chips.DS18B20{fixed, h.probe}},
	}
	h.Bus.Attach(0x44, sht)
	h.Bus.Attach(0x76, bme)
	h.Bus.Attach(0x49, ads)
	h.Bus.Attach(0x18, h.kinds["ds2482"])
	h.quantities = map[string]*float64{
		"w1a celsius": &fixed.Celsius, "w1b celsius": &h.probe.Celsius,
		"sht3x celsius": &sht.Celsius, "sht3x humidity": &sht.Humidity,
		"bme280 celsius": &bme.Celsius, "bme280 pascal": &bme.Pascal, "bme280 humidity": &bme.Humidity,
		"ads1115 v0": &ads.Volts[0], "ads1115 v1": &ads.Volts[1], "ads1115 v2": &ads.Volts[2], "ads1115 v3": &ads.Volts[3],
	}
}

// populateSPI puts chips on three selects: a thermocouple, an ADC, a second BME280.
func (h *Hardware) populateSPI() *spiBus {
	tc := &chips.MAX31855{Shown: 100.75, Junction: 25}
	adc := &chips.MCP3008{Volts: [8]float64{1.65, 2.5}, Reference: 3.3}
	bme := chips.NewBME280()
	for name, q := range map[string]*float64{
		"max31855 celsius": &tc.Shown, "max31855 junction": &tc.Junction, "max31855 fault": &tc.Fault,
		"mcp3008 v0": &adc.Volts[0], "mcp3008 v1": &adc.Volts[1],
		"spi-bme280 celsius": &bme.Celsius, "spi-bme280 pascal": &bme.Pascal, "spi-bme280 humidity": &bme.Humidity,
	} {
		h.quantities[name] = q
	}
	return &spiBus{bus: h.Bus, selects: []chips.SPIChip{tc, adc, &chips.SPIRegisters{Chip: bme}}}
}

func (h *Hardware) closeAll() error {
	var errs []error
	for _, l := range h.listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// Run serves until ctx ends, and returns the first thing that went wrong before.
func (h *Hardware) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = h.closeAll() })
	defer stop()
	var all sync.WaitGroup
	failures := make(chan error, 5)
	serve := func(f func() error) {
		all.Go(func() {
			if err := f(); err != nil && ctx.Err() == nil {
				failures <- err
				cancel()
			}
		})
	}
	serve(func() error { return vhost.Serve(ctx, h.listeners[SocketI2C], h.adapter) })
	serve(func() error { return vhost.Serve(ctx, h.listeners[SocketGPIO], h.GPIO) })
	for _, name := range []string{SocketTTY, SocketUSB} {
		serve(func() error { return h.ports[name].run(ctx, h.listeners[name]) })
	}
	serve(func() error { return h.runControl(ctx) })
	all.Wait()
	select {
	case err := <-failures:
		return fmt.Errorf("board hardware: %w", err)
	default:
		return nil
	}
}

// runControl serves the guest's port: a command a line, an answer a line.
func (h *Hardware) runControl(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		c, err := h.listeners[SocketControl].Accept()
		if err != nil {
			return err
		}
		stop := context.AfterFunc(ctx, func() { _ = c.Close() })
		all.Go(func() {
			defer stop()
			defer c.Close()
			for sc := bufio.NewScanner(c); sc.Scan(); {
				answer, err := h.Command(sc.Text())
				if err != nil {
					answer = "error: " + err.Error()
				}
				if _, err := fmt.Fprintln(c, strings.Join(strings.Fields(answer), " ")); err != nil {
					return
				}
			}
		})
	}
}

// Command does one line:
//
//	set CHIP QUANTITY VALUE                     chips: sht3x bme280 ads1115 w1a w1b max31855 mcp3008 spi-bme280
//	gpio set LINE 0|1, gpio get LINE, gpio log, gpio settle LINE
//	gpio toggle LINE N INTERVAL                 N edges from outside
//	i2c fault ADDR|all ERRNO COUNT [DELAY]      errno 0: only the delay; count -1: until clear
//	i2c flip ADDR XOR COUNT                     corrupt the first byte read
//	i2c clear, i2c detach ADDR, i2c attach ADDR CHIP
//	w1 pull, w1 put                             the sensor w1b off its wire and back
//	serial ttyS1|usb0 echo|sink|send TEXT|got
//	usb unplug, usb plug
func (h *Hardware) Command(line string) (string, error) {
	f := append(strings.Fields(line), "", "", "", "", "", "")
	switch f[0] {
	case "set":
		return h.set(f[1]+" "+f[2], f[3])
	case "gpio":
		return h.gpioCommand(f[1], f[2:])
	case "i2c":
		return "ok", h.i2cCommand(f[1], f[2:])
	case "w1":
		h.Bus.With(func() { h.probe.Gone = f[1] == "pull" })
		return "ok", nil
	case "serial":
		p := h.ports[f[1]]
		if p == nil {
			return "", fmt.Errorf("no serial port %q", f[1])
		}
		return p.command(f[2], strings.TrimRight(strings.Join(f[3:], " "), " "))
	case "usb":
		return h.usb(f[1])
	}
	return "", fmt.Errorf("unknown command %q", line)
}

func (h *Hardware) set(quantity, value string) (string, error) {
	p := h.quantities[quantity]
	v, err := strconv.ParseFloat(value, 64)
	if p == nil || err != nil {
		return "", fmt.Errorf("no quantity %q, or no number %q", quantity, value)
	}
	h.Bus.With(func() { *p = v })
	return "ok", nil
}

func (h *Hardware) gpioCommand(verb string, arg []string) (string, error) {
	if verb == "log" {
		var b strings.Builder
		for _, c := range h.GPIO.Log() {
			fmt.Fprintf(&b, "%d:%d:%d ", c.Line, number(c.Output), number(c.Level))
		}
		return b.String(), nil
	}
	l, err := h.GPIO.Line(arg[0])
	if err != nil {
		return "", err
	}
	switch verb {
	case "set":
		h.GPIO.Set(l, arg[1] == "1")
	case "get":
		high, output := h.GPIO.Get(l)
		return fmt.Sprintf("%d %d", number(high), number(output)), nil
	case "settle":
		for range 5000 {
			if h.GPIO.Settled(l) {
				return "ok", nil
			}
			time.Sleep(time.Millisecond)
		}
		return "", errors.New("the guest does not take its edges")
	case "toggle":
		n, _ := strconv.Atoi(arg[1])
		every, err := time.ParseDuration(arg[2])
		if err != nil {
			return "", err
		}
		high, _ := h.GPIO.Get(l)
		for range n {
			high = !high
			h.GPIO.Set(l, high)
			time.Sleep(every)
		}
	default:
		return "", fmt.Errorf("unknown command %q", verb)
	}
	return "ok", nil
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (h *Hardware) i2cCommand(verb string, arg []string) error {
	addr := uint16(0xffff)
	if arg[0] != "all" && arg[0] != "" {
		n, err := strconv.ParseUint(arg[0], 0, 7)
		if err != nil {
			return err
		}
		addr = uint16(n)
	}
	value, _ := strconv.ParseUint(arg[1], 0, 8)
	count, _ := strconv.Atoi(arg[2])
	switch verb {
	case "fault":
		delay, _ := time.ParseDuration(arg[3])
		h.Bus.Inject(chips.Fault{Addr: addr, Errno: syscall.Errno(value), Count: count, Delay: delay})
	case "flip":
		h.Bus.Inject(chips.Fault{Addr: addr, Flip: byte(value), Count: count})
	case "clear":
		h.Bus.Inject(chips.Fault{})
	case "detach":
		h.Bus.Attach(addr, nil)
	case "attach":
		c := h.kinds[arg[1]]
		if c == nil {
			return fmt.Errorf("no chip %q", arg[1])
		}
		h.Bus.Attach(addr, c)
	default:
		return fmt.Errorf("unknown command %q", verb)
	}
	return nil
}

// usb unplugs and plugs the USB serial adapter. After an unplug QEMU releases the
// socket a moment later, and refuses to plug until then.
func (h *Hardware) usb(verb string) (string, error) {
	path := filepath.Join(h.dir, SocketQMP)
	switch verb {
	case "unplug":
		return qmp(path, `{"execute":"device_del","arguments":{"id":"usb0"}}`)
	case "plug":
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			s, err := qmp(path, `{"execute":"device_add","arguments":{"driver":"usb-serial","bus":"xhci.0","id":"usb0","chardev":"usb0","serial":"BOARD0001"}}`)
			if err == nil || time.Now().After(end) {
				return s, err
			}
		}
	}
	return "", fmt.Errorf("unknown command %q", verb)
}
