package i2c

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/gpio"
	"sensorgate/drivers/gpio/gpiotest"
	"sensorgate/drivers/i2c/i2ctest"
)

// stuckBus is a bus whose data line a chip holds until it has seen so many clock pulses.
type stuckBus struct {
	*i2ctest.Bus
	board  *gpiotest.Board
	needs  int
	pulses int
}

// line counts the pulses of SCL.
type line struct {
	drivers.OpenDrain
	rise func()
	low  bool
}

func (l *line) Pull(low bool) error {
	if l.low && !low {
		l.rise()
	}
	l.low = low
	return l.OpenDrain.Pull(low)
}

func (s *stuckBus) hold() {
	s.Fail(syscall.ETIMEDOUT)
	s.board.Short("GPIO18", false)
}

func (s *stuckBus) clocked() {
	if s.pulses++; s.pulses == s.needs {
		s.Fail(0)
		s.board.Float("GPIO18")
		s.board.Drive("GPIO18", true) // the pull-up of the bus
	}
}

// withClear runs f with an i2c-bus device on a stuck bus, and a thermometer beside it.
func withClear(t *testing.T, sda string, needs int, f func(t *testing.T, s *stuckBus, clear any, poll func() error)) {
	synctest.Test(t, func(t *testing.T) {
		s := &stuckBus{Bus: i2ctest.NewBus(), board: gpiotest.New(""), needs: needs}
		s.board.AddChip("gpiochip0", "pinctrl-test", "GPIO17", "GPIO18")
		s.board.Drive("GPIO17", true)
		s.board.Drive("GPIO18", true)
		s.Attach(0x48, i2ctest.NewTMP102(0x1900))
		buses, ctx, end := i2ctest.Start(t, s.Bus)
		defer end()
		chips := gpio.NewChipsOn(s.board, slog.New(slog.DiscardHandler))
		buses.SetOpenDrain(func(device, name string) (drivers.OpenDrain, error) {
			l, err := chips.OpenDrain(device, name)
			if name == "GPIO17" && err == nil {
				l = &line{OpenDrain: l, rise: s.clocked}
			}
			return l, err
		})
		d := clearDriver(buses)
		o := d.Options().(*clearOptions)
		o.Bus, o.SCL, o.SDA = "1", "GPIO17", sda
		dev, err := d.Open(ctx, drivers.DeviceConfig{Device: "wire", Options: o})
		if err != nil {
			t.Fatal(err)
		}
		thermometer, err := buses.Dev(Addr{Bus: "1", Chip: 0x48})
		if err != nil {
			t.Fatal(err)
		}
		f(t, s, dev, func() error { _, err := thermometer.U16(ctx, 0); return err })
		if err := dev.(io.Closer).Close(); err != nil {
			t.Error(err)
		}
	})
}

func polled(t *testing.T, dev any) (freed, held string) {
	t.Helper()
	rs, err := driverstest.Poll(t.Context(), dev.(drivers.Poller))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rs {
		if r.Channel == "freed" {
			freed = r.Value.String()
		} else {
			held = r.Value.String()
		}
	}
	return freed, held
}

// A master that was reset in the middle of a byte left a chip holding the data line, and
// every chip of the bus was gone until somebody pulled the plug.
func TestBusThatAChipHoldsIsFreed(t *testing.T) {
	for _, sda := range []string{"GPIO18", ""} {
		withClear(t, sda, 5, func(t *testing.T, s *stuckBus, dev any, poll func() error) {
			if err := poll(); err != nil {
				t.Fatal(err)
			}
			s.hold()
			if _, held := polled(t, dev); sda != "" && held != "true" {
				t.Errorf("held is %q, want true", held)
			}
			for range 3 {
				if poll() == nil {
					t.Error("the bus answers while it is held")
				}
			}
			if err := poll(); err != nil {
				t.Errorf("sda %q: after three transfers that did not end: %v, want it freed", sda, err)
			}
			freed, held := polled(t, dev)
			if freed != "1" || sda != "" && held != "false" {
				t.Errorf("sda %q: freed %s times, held %q", sda, freed, held)
			}
			// With the data line five pulses and a stop, without it nine.
			if want := map[string]int{"GPIO18": 6, "": 9}[sda]; s.pulses != want {
				t.Errorf("sda %q: %d pulses, want %d", sda, s.pulses, want)
			}
		})
	}
}

// What pulses cannot free is said, and not called freed.
func TestBusThatCannotBeFreedSaysWhy(t *testing.T) {
	withClear(t, "GPIO18", 99, func(t *testing.T, s *stuckBus, dev any, _ func() error) {
		free := func(payload string) error {
			return dev.(drivers.Commander).Command(context.Background(), drivers.Command{Channel: "free", Payload: []byte(payload)})
		}
		s.hold()
		if err := free("on"); err == nil || !strings.Contains(err.Error(), "did not free the data line") {
			t.Errorf("a short circuit: %v", err)
		}
		s.board.Short("GPIO17", false)
		if err := free("on"); err == nil || !strings.Contains(err.Error(), "holds the clock") {
			t.Errorf("a held clock: %v", err)
		}
		if err := free("off"); !errors.Is(err, drivers.ErrRefused) {
			t.Errorf("off: %v", err)
		}
		if freed, _ := polled(t, dev); freed != "0" {
			t.Errorf("freed %s times, want none", freed)
		}
		time.Sleep(time.Second)
	})
}

// The adapter's own pins would leave it for good.
func TestBusIsNotFreedByTheAdaptersOwnPins(t *testing.T) {
	for _, o := range []clearOptions{{Bus: "1", SCL: "GPIO3"}, {Bus: "1", SCL: "GPIO17", SDA: "SDA1"}, {Bus: "3", SCL: "GPIO17", SDA: "GPIO17"}} {
		if o.Check() == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	if err := (&clearOptions{Bus: "3", SCL: "GPIO3"}).Check(); err != nil {
		t.Errorf("a line of another bus: %v", err)
	}
}
