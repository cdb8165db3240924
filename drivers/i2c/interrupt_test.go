package i2c

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/gpio"
	"sensorgate/drivers/gpio/gpiotest"
	"sensorgate/drivers/i2c/i2ctest"
)

// wired is a device whose chip's interrupt pin is on GPIO5.
type wired struct {
	bus   *i2ctest.Bus
	board *gpiotest.Board

	mu       sync.Mutex
	readings []drivers.Reading
	errs     []error
}

func (w *wired) report(r drivers.Reading, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.errs = append(w.errs, err)
	} else {
		w.readings = append(w.readings, r)
	}
}

// last returns the newest value of a channel and how many there were; they are forgotten.
func (w *wired) last(channel string) (v string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.readings {
		if r.Channel == channel {
			v, n = r.Value.String(), n+1
		}
	}
	w.readings = nil
	return v, n
}

// withLine runs f with a driver's device in a bubble of time.
func withLine(t *testing.T, name string, f func(t *testing.T, w *wired, chip i2ctest.Chip)) {
	synctest.Test(t, func(t *testing.T) {
		w := &wired{bus: i2ctest.NewBus(), board: gpiotest.New("")}
		w.board.AddChip("gpiochip0", "pinctrl-test", "GPIO4", "GPIO5")
		buses, ctx, end := i2ctest.Start(t, w.bus)
		buses.SetLines(gpio.NewChipsOn(w.board, slog.New(slog.DiscardHandler)).Interrupt)
		var driver drivers.Driver
		for _, d := range onI2C(buses, nil) {
			if d.Name == name {
				driver = d
			}
		}
		addr, config := deviceOf(t, driver)
		set(config.Options, "IRQ", "GPIO5")
		chip := simulators[name]()
		w.bus.Attach(addr, chip)
		dev, err := driver.Open(ctx, config)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		ctx, cancel := context.WithCancel(ctx)
		go func() { ended <- dev.(drivers.Watcher).Watch(ctx, w.report) }()
		synctest.Wait()
		f(t, w, chip)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the device ended: %v", err)
		}
		end()
	})
}

// A door on an expander with its interrupt pin wired is known at once, and not at the next
// second; where the edge was lost, at the tenth second.
func TestExpanderIsAskedAtTheEdge(t *testing.T) {
	withLine(t, "mcp23017", func(t *testing.T, w *wired, chip i2ctest.Chip) {
		w.board.Drive("GPIO5", true)
		synctest.Wait()
		if v, n := w.last("first"); v != "false" || n == 0 {
			t.Fatalf("at the start: %q, %d times", v, n)
		}
		change := func(outside uint16) {
			w.bus.With(func() { chip.(*i2ctest.MCP23017).Outside = outside })
		}
		change(0xffff)
		w.bus.Hook(func(int) { w.board.Drive("GPIO5", true) }) // it releases its pin when it is read
		w.board.Drive("GPIO5", false)                          // and pulls it low now
		time.Sleep(time.Millisecond)
		if v, n := w.last("first"); v != "true" || n == 0 {
			t.Errorf("at the edge: %q, %d times, want true at once", v, n)
		}
		change(0xfffe) // without an edge
		time.Sleep(5 * time.Second)
		if v, n := w.last("first"); n > 0 && v == "false" {
			t.Error("asked without an edge before the tenth interval")
		}
		time.Sleep(6 * time.Second)
		if v, _ := w.last("first"); v != "false" {
			t.Errorf("an edge that was lost: %q, want false by the slow poll", v)
		}
	})
}

// A line that is held low is reported, and the chip is asked at its interval.
func TestHeldInterruptLineIsReported(t *testing.T) {
	withLine(t, "mcp23017", func(t *testing.T, w *wired, _ i2ctest.Chip) {
		w.board.Drive("GPIO5", false)
		time.Sleep(30 * time.Second)
		_, n := w.last("first")
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.errs) == 0 || !strings.Contains(w.errs[0].Error(), "stays active") {
			t.Errorf("errors: %v", w.errs)
		}
		if n < 15 || n > 400 {
			t.Errorf("asked %d times in 30 s, want about once a second, 8 in a row", n)
		}
	})
}

// Lightning is reported when the chip says so, with the pause that the chip wants.
func TestLightningIsReadAtTheEdge(t *testing.T) {
	withLine(t, "as3935", func(t *testing.T, w *wired, chip i2ctest.Chip) {
		w.board.Drive("GPIO5", false)
		w.last("distance")
		w.bus.With(func() {
			c := chip.(*i2ctest.AS3935)
			c.Interrupt = 8
			c.Put(0x04, 1, 2, 3, 12)
		})
		w.board.Drive("GPIO5", true)
		time.Sleep(time.Microsecond)
		w.board.Drive("GPIO5", false)
		time.Sleep(10 * time.Millisecond)
		if v, n := w.last("distance"); v != "12" || n != 1 {
			t.Errorf("distance %q, %d times; want 12 once", v, n)
		}
	})
}

// A chip that has nothing to tell has answered, and that is reported: without lightning its
// device was never more than starting.
func TestChipWithoutNewsIsReported(t *testing.T) {
	withLine(t, "as3935", func(t *testing.T, w *wired, _ i2ctest.Chip) {
		w.board.Drive("GPIO5", false)
		time.Sleep(11 * time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.errs) != 0 || len(w.readings) == 0 || w.readings[0] != (drivers.Reading{}) {
			t.Errorf("reported %v, errors %v; want empty readings", w.readings, w.errs)
		}
	})
}

// A chip that failed is asked again at its interval, though no edge comes.
func TestChipThatFailedIsAskedAtTheInterval(t *testing.T) {
	withLine(t, "mcp23017", func(t *testing.T, w *wired, _ i2ctest.Chip) {
		w.board.Drive("GPIO5", true)
		w.bus.Fail(syscall.EREMOTEIO)
		time.Sleep(12 * time.Second) // asked without an edge at the tenth second
		w.bus.Fail(0)
		w.last("first")
		time.Sleep(1100 * time.Millisecond)
		if v, n := w.last("first"); n != 1 {
			t.Errorf("%q, %d times in the second after it was back; want once", v, n)
		}
	})
}

// A chip whose line has an edge with every fault, such as noise that the AS3935 reports, or
// its clock which the pin shows when it is opened, was asked in a loop without a pause.
func TestChipThatFailsAtEveryEdgeIsAskedAtTheInterval(t *testing.T) {
	withLine(t, "as3935", func(t *testing.T, w *wired, chip i2ctest.Chip) {
		w.bus.Hook(func(int) {
			chip.(*i2ctest.AS3935).Interrupt = 1
			w.board.Drive("GPIO5", true)
			w.board.Drive("GPIO5", false)
		})
		w.board.Drive("GPIO5", true)
		time.Sleep(30 * time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		if n := len(w.errs); n < 20 || n > 31 {
			t.Errorf("failed %d times in 30 s, want about once a second", n)
		}
	})
}

// One GPIO line cannot be another device's too.
func TestInterruptLineIsClaimed(t *testing.T) {
	for _, d := range onI2C(i2ctest.On(i2ctest.NewBus()), nil) {
		o := d.Options()
		set(o, "IRQ", "GPIO5")
		if f := reflect.ValueOf(o).Elem().FieldByName("IRQ"); !f.IsValid() {
			continue
		}
		claims := o.(drivers.Claimer).Claims()
		if !slices.Contains(claims, drivers.Claim{Kind: "gpio", ID: "GPIO5", Key: "irq"}) {
			t.Errorf("%s claims %v", d.Name, claims)
		}
	}
}
