package gpio_test

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/gpio"
	"sensorgate/drivers/gpio/gpiotest"
)

// bench is a board with one or more devices, each in its Runner as in the gateway.
type bench struct {
	t     *testing.T
	board *gpiotest.Board
	chips *gpio.Chips
	store memStore // of all devices; they have different keys here
}

func newBench(t *testing.T) *bench {
	b := gpiotest.New("Raspberry Pi 4 Model B Rev 1.4")
	b.AddChip("gpiochip0", "pinctrl-bcm2711", "GPIO0", "GPIO17", "GPIO22", "GPIO27", "")
	return &bench{t: t, board: b, chips: gpio.NewChipsOn(b, slog.New(slog.NewTextHandler(io.Discard, nil))), store: memStore{}}
}

// driver looks one up as the gateway does.
func (b *bench) driver(name string) drivers.Driver {
	for _, d := range gpio.Drivers(b.chips) {
		if d.Name == name {
			return d
		}
	}
	b.t.Fatalf("no driver %q", name)
	return drivers.Driver{}
}

// device is a running device and all it said.
type device struct {
	*drivers.Runner
	t    *testing.T
	stop func()

	mu       sync.Mutex
	readings []drivers.Reading
	health   []drivers.Health
}

// start runs a device; conf is keys and values as in the file.
func (b *bench) start(driver, name string, every time.Duration, conf string) *device {
	b.t.Helper()
	drv := b.driver(driver)
	o := drv.Options()
	decode(b.t, o, conf)
	if c, ok := o.(drivers.Checker); ok {
		if err := c.Check(); err != nil {
			b.t.Fatalf("%s: %v", conf, err)
		}
	}
	d := &device{t: b.t}
	d.Runner = &drivers.Runner{
		Config: drivers.DeviceConfig{Device: name, Options: o, Every: max(every, drv.Every), Store: b.store},
		Driver: drv, Sink: d, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = d.Run(ctx) // the end of ctx
	}()
	d.stop = func() {
		cancel()
		<-done
	}
	b.t.Cleanup(d.stop)
	synctest.Wait()
	return d
}

func (d *device) Readings(rs []drivers.Reading) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.readings = append(d.readings, rs...)
}

func (d *device) Health(_ string, h drivers.Health) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.health = append(d.health, h)
}

// said returns what a channel reported since the last call, as "open closed".
func (d *device) said(channel string) string {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	var words []string
	rest := d.readings[:0]
	for _, r := range d.readings {
		if r.Channel != channel {
			rest = append(rest, r)
			continue
		}
		w := r.Value.String()
		if r.Quality == drivers.Uncertain {
			w += "?"
		}
		words = append(words, w)
	}
	d.readings = rest
	return strings.Join(words, " ")
}

// faults returns the errors of the health changes since the last call.
func (d *device) faults() string {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	var words []string
	for _, h := range d.health {
		if h.Error != "" {
			words = append(words, h.Error)
		}
	}
	d.health = nil
	return strings.Join(words, "; ")
}

func (d *device) expect(channel, want, why string) {
	d.t.Helper()
	if got := d.said(channel); got != want {
		d.t.Errorf("%s: said %q, want %q", why, got, want)
	}
}

func (d *device) command(channel, payload string) error {
	return d.Command(context.Background(), drivers.Command{Device: d.Config.Device, Channel: channel, Payload: []byte(payload)})
}

type memStore map[string]string

func (s memStore) Load(key string) ([]byte, bool) { v, ok := s[key]; return []byte(v), ok }
func (s memStore) Save(key string, value []byte)  { s[key] = string(value) }
