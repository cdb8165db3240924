package guest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/gpio"
	"sensorgate/drivers/i2c"
	"sensorgate/drivers/kernel"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/framing"
	"sensorgate/drivers/serial/meters"
	"sensorgate/drivers/spi"
	"sensorgate/internal/config"
)

// soon is for what should come soon: the board is emulated on a busy machine.
const soon = 20 * time.Second

var control struct {
	sync.Mutex
	port *os.File
	rd   *bufio.Reader
}

// ctl steers the hardware around the board; see hardware.Hardware.Command.
func ctl(t testing.TB, format string, args ...any) string {
	t.Helper()
	control.Lock()
	defer control.Unlock()
	if control.port == nil {
		f, err := os.OpenFile("/dev/virtio-ports/board.ctl", os.O_RDWR, 0)
		if err != nil {
			t.Skip("not on the virtual board (try: make board-test)")
		}
		control.port, control.rd = f, bufio.NewReader(f)
	}
	if _, err := fmt.Fprintf(control.port, format+"\n", args...); err != nil {
		t.Fatal(err)
	}
	s, err := control.rd.ReadString('\n')
	if err != nil || strings.HasPrefix(s, "error:") {
		t.Fatalf("%s: %s %v", fmt.Sprintf(format, args...), strings.TrimSpace(s), err)
	}
	return strings.TrimSpace(s)
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// device runs one device in its Runner, as the gateway does.
type device struct {
	*drivers.Runner
	mu       sync.Mutex
	readings []drivers.Reading
	health   []drivers.Health
	news     chan struct{}
	stop     func()
}

// start runs the one device of a configuration, which is written as a user would.
func start(t *testing.T, toml string) *device {
	t.Helper()
	ctl(t, "gpio log") // skips where there is no board
	buses, spiBuses := i2c.NewBuses(quiet()), spi.NewBuses(quiet())
	run(t, buses.Run)
	run(t, spiBuses.Run)
	noBus := serial.NewBuses()
	var table drivers.Registry
	table.Add(gpio.Drivers(gpio.NewChips(quiet()))...)
	table.Add(i2c.Drivers(buses, spiBuses)...)
	table.Add(spi.Drivers(spiBuses)...)
	table.Add(kernel.Drivers()...)
	table.Add(framing.Drivers(noBus, quiet())...)
	table.Add(meters.Drivers(noBus, quiet())...)
	path := filepath.Join(t.TempDir(), "sensorgate.toml")
	if err := os.WriteFile(path, []byte(toml), 0o600); err != nil {
		t.Fatal(err)
	}
	c, problems := config.Load(path, config.Catalogue{Drivers: &table, SerialBus: func() any { return &serial.PortOptions{} }})
	if c == nil || len(c.Devices) != 1 {
		t.Fatalf("%s\n%v", toml, problems)
	}
	config := c.Devices[0].Config
	config.Store = noStore{}
	dev := &device{news: make(chan struct{}, 1)}
	dev.Runner = &drivers.Runner{Config: config, Driver: c.Devices[0].Driver, Sink: dev, Log: quiet()}
	dev.stop = run(t, dev.Run)
	return dev
}

// run runs f until the test ends or the returned func is called.
func run(t *testing.T, f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = f(ctx) // the end of ctx
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

func (d *device) Readings(rs []drivers.Reading) {
	d.mu.Lock()
	d.readings = append(d.readings, rs...)
	d.mu.Unlock()
	d.wake()
}

func (d *device) Health(_ string, h drivers.Health) {
	d.mu.Lock()
	d.health = append(d.health, h)
	d.mu.Unlock()
	d.wake()
}

func (d *device) wake() {
	select {
	case d.news <- struct{}{}:
	default:
	}
}

// wait waits until ok returns true for all readings and health changes since the last wait
// that was satisfied.
func (d *device) wait(t *testing.T, what string, ok func([]drivers.Reading, []drivers.Health) bool) {
	t.Helper()
	for deadline := time.After(soon); ; {
		d.mu.Lock()
		good := ok(d.readings, d.health)
		if good {
			d.readings, d.health = nil, nil
		}
		rs, hs := d.readings, d.health
		d.mu.Unlock()
		if good {
			return
		}
		select {
		case <-d.news:
		case <-deadline:
			t.Fatalf("not seen within %v: %s\nreadings %+v\nhealth %+v", soon, what, rs, hs)
		}
	}
}

// value waits for a reading of a channel that ok accepts.
func (d *device) value(t *testing.T, channel string, ok func(drivers.Value) bool) {
	t.Helper()
	d.wait(t, channel, func(rs []drivers.Reading, _ []drivers.Health) bool {
		for _, r := range rs {
			if r.Channel == channel && ok(r.Value) {
				return true
			}
		}
		return false
	})
}

func (d *device) state(t *testing.T, want string) {
	t.Helper()
	d.value(t, "state", func(v drivers.Value) bool { return v.String() == want })
}

// near accepts a number within tolerance.
func near(want, tolerance float64) func(drivers.Value) bool {
	return func(v drivers.Value) bool {
		f, ok := v.Number()
		return ok && f > want-tolerance && f < want+tolerance
	}
}

// condition waits until the device's health is want, with a text in its error.
func (d *device) condition(t *testing.T, want drivers.Condition, text string) {
	t.Helper()
	d.wait(t, string(want)+" "+text, func(_ []drivers.Reading, hs []drivers.Health) bool {
		for _, h := range hs {
			if h.State == want && strings.Contains(h.Error, text) {
				return true
			}
		}
		return false
	})
}

type noStore struct{}

func (noStore) Load(string) ([]byte, bool) { return nil, false }
func (noStore) Save(string, []byte)        {}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// only returns the one file that matches.
func only(t *testing.T, pattern string) string {
	t.Helper()
	m, err := filepath.Glob(pattern)
	if err != nil || len(m) != 1 {
		t.Fatalf("%s: %d files, %v", pattern, len(m), err)
	}
	return m[0]
}

// pauseFor leaves a device a moment to report something.
func pauseFor(d *device) {
	select {
	case <-d.news:
	case <-time.After(200 * time.Millisecond):
	}
}

// sayIfThere sends on the USB adapter's wire, if it is plugged in again.
func sayIfThere(t *testing.T, text string) {
	t.Helper()
	control.Lock()
	defer control.Unlock()
	if _, err := fmt.Fprintf(control.port, "serial usb0 send %s\n", text); err != nil {
		t.Fatal(err)
	}
	if _, err := control.rd.ReadString('\n'); err != nil { // "error: nobody there" is fine
		t.Fatal(err)
	}
}
