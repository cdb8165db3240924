package i2c

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers/gpio/gpiotest"
	"sensorgate/drivers/i2c/i2ctest"
)

// readyChips have a data-ready pin, and measure this often with it.
var readyChips = map[string]time.Duration{
	"nau7802": 100 * time.Millisecond, "hmc5883l": 66 * time.Millisecond, "qmc5883l": 100 * time.Millisecond,
	"ccs811": time.Second, "scd30": 2 * time.Second, "lps22hb": time.Second, "lps25hb": time.Second, "hts221": time.Second,
	"vl53l1x": 100 * time.Millisecond, "vl53l4cd": 50 * time.Millisecond,
}

// pinned is a chip whose pin is wired to GPIO5.
type pinned struct {
	i2ctest.Chip
	board *gpiotest.Board

	level, deaf bool // deaf: an edge is not seen
	edges       []time.Time
}

func (p *pinned) wire() {
	level := p.Chip.(i2ctest.Pinned).Pin()
	if level == p.level {
		return
	}
	p.edges = append(p.edges, time.Now())
	if p.level = level; p.deaf {
		p.board.DriveUnseen("GPIO5", level)
	} else {
		p.board.Drive("GPIO5", level)
	}
}

func (p *pinned) Write(b []byte) error { defer p.wire(); return p.Chip.Write(b) }
func (p *pinned) Read(b []byte) error  { defer p.wire(); return p.Chip.Read(b) }

// withReady runs f with a device whose chip has its data-ready pin on GPIO5.
func withReady(t *testing.T, name string, f func(t *testing.T, w *wired, p *pinned)) {
	withLine(t, name, func(t *testing.T, w *wired, chip i2ctest.Chip) {
		p := &pinned{Chip: chip, board: w.board}
		addr := uint16(0)
		w.bus.With(func() {
			p.level = !chip.(i2ctest.Pinned).Pin()
			p.wire()
		})
		for _, d := range onI2C(i2ctest.On(i2ctest.NewBus()), nil) {
			if d.Name == name {
				addr, _ = deviceOf(t, d)
			}
		}
		w.bus.Attach(addr, p)
		done := make(chan struct{})
		defer close(done)
		go func() { // what the clock does to the pin
			period := 5 * time.Millisecond
			if name == "hmc5883l" { // whose pulse has 250 µs
				period = 200 * time.Microsecond
			}
			tick := time.NewTicker(period)
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-tick.C:
					w.bus.With(p.wire)
				}
			}
		}()
		synctest.Wait()
		f(t, w, p)
	})
}

// near reports whether there is a time in all at most d before t.
func near(all []time.Time, t time.Time, d time.Duration) bool {
	return slices.ContainsFunc(all, func(at time.Time) bool { return !at.After(t) && t.Sub(at) <= d })
}

// bursts is how many groups of transfers there were, with pauses between them.
func bursts(transfers []time.Time) (n int) {
	var last time.Time
	for _, at := range transfers {
		if at.Sub(last) > 15*time.Millisecond {
			n++
		}
		last = at
	}
	return n
}

// With its data-ready pin wired a chip is left alone between two readings, and each is read at
// an edge, as new as it can be, once an interval.
func TestMeasurementIsReadAtItsEdge(t *testing.T) {
	for name, rate := range readyChips {
		t.Run(name, func(t *testing.T) {
			withReady(t, name, func(t *testing.T, w *wired, p *pinned) {
				every := map[string]time.Duration{"nau7802": 2 * time.Second, "vl53l1x": time.Second, "vl53l4cd": time.Second}[name]
				if every == 0 {
					every = 10 * time.Second
				}
				time.Sleep(2*every + rate + 50*time.Millisecond) // between a reading and the next
				var transfers []time.Time
				w.bus.Hook(func(int) { transfers = append(transfers, time.Now()) })
				w.mu.Lock()
				w.readings, w.errs = nil, nil
				w.mu.Unlock()
				time.Sleep(3 * every)
				w.bus.Hook(nil)
				var edges []time.Time
				w.bus.With(func() { edges = slices.Clone(p.edges) })
				w.mu.Lock()
				defer w.mu.Unlock()
				times := map[time.Time]bool{}
				for _, r := range w.readings {
					if r.Channel != "" {
						times[r.Time] = true
					}
				}
				for at := range times {
					if !near(edges, at, 25*time.Millisecond) {
						t.Errorf("a reading at %v without an edge", at)
					}
				}
				if len(times) != 3 || len(w.errs) != 0 {
					t.Errorf("%d readings in three intervals, errors %v", len(times), w.errs)
				}
				if n := bursts(transfers); n > 6 { // what lay there, and what came
					t.Errorf("%d bursts of transfers (%d) for 3 readings, want at most 2 each", n, len(transfers))
				}
			})
		})
	}
}

// An edge that was lost costs readings until the tenth interval, and no longer; nothing is
// reported as wrong.
func TestLostEdgeOfAMeasurementIsCaught(t *testing.T) {
	withReady(t, "nau7802", func(t *testing.T, w *wired, p *pinned) {
		const every = 2 * time.Second
		time.Sleep(2*every + 500*time.Millisecond)
		w.last("raw")
		w.bus.With(func() { p.deaf = true })
		time.Sleep(4 * every)
		w.bus.With(func() { p.deaf = false })
		time.Sleep(5 * every)
		if v, n := w.last("raw"); n != 0 {
			t.Errorf("%d readings (%s) without an edge before the tenth interval", n, v)
		}
		time.Sleep(2 * every)
		if v, n := w.last("raw"); n != 1 || v != "-210000" {
			t.Errorf("%d readings (%s) by the slow poll, want one", n, v)
		}
		time.Sleep(4 * every)
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.readings) < 3 || len(w.errs) != 0 {
			t.Errorf("%d readings after it, errors %v", len(w.readings), w.errs)
		}
	})
}

// A line that the chip is not wired to is reported, and the chip asked at its interval.
func TestSilentDataReadyLineIsReported(t *testing.T) {
	withLine(t, "nau7802", func(t *testing.T, w *wired, _ i2ctest.Chip) {
		time.Sleep(45 * time.Second) // twice the tenth interval
		w.mu.Lock()
		if len(w.errs) == 0 || !strings.Contains(w.errs[0].Error(), "no edges") {
			t.Errorf("errors: %v", w.errs)
		}
		w.mu.Unlock()
		w.last("raw")
		time.Sleep(20 * time.Second)
		if v, n := w.last("raw"); n < 8 || n > 11 {
			t.Errorf("%d readings (%s) in 20 s, want one in 2 s", n, v)
		}
	})
}

// A chip that was unplugged is opened again, for which it gives no edge.
func TestReadyChipThatWasUnpluggedComesBack(t *testing.T) {
	withReady(t, "lps22hb", func(t *testing.T, w *wired, p *pinned) {
		time.Sleep(25 * time.Second)
		w.bus.Unplug(true)
		w.bus.With(p.PowerOn)
		time.Sleep(110 * time.Second) // asked without an edge at the hundredth second
		w.bus.Unplug(false)
		w.mu.Lock()
		if len(w.errs) == 0 {
			t.Error("nothing reported while it was gone")
		}
		w.mu.Unlock()
		w.last("pressure")
		time.Sleep(25 * time.Second)
		if v, n := w.last("pressure"); n < 1 {
			t.Errorf("%d readings (%s) in the 25 s after it was back", n, v)
		}
	})
}

// A chip whose power dipped measures no more, and has no edge: the slow poll sees that, and it
// is set up again. Nothing wrong is published meanwhile.
func TestReadyChipWhosePowerDippedComesBack(t *testing.T) {
	for name := range readyChips {
		if name == "hmc5883l" { // whose pulse is too short for so long a time
			continue
		}
		t.Run(name, func(t *testing.T) {
			withReady(t, name, func(t *testing.T, w *wired, p *pinned) {
				every := 10 * time.Second
				seen := func() map[string]map[string]bool {
					w.mu.Lock()
					defer w.mu.Unlock()
					all := map[string]map[string]bool{}
					for _, r := range w.readings {
						if r.Channel != "" && all[r.Channel] == nil {
							all[r.Channel] = map[string]bool{}
						}
						if r.Channel != "" {
							all[r.Channel][r.Value.String()] = true
						}
					}
					w.readings = nil
					return all
				}
				time.Sleep(5*every/2 + 3*time.Second)
				before := seen()
				w.bus.With(p.PowerOn)
				time.Sleep(10*every + every/2) // the slow poll
				for channel, values := range seen() {
					if !reflect.DeepEqual(values, before[channel]) {
						t.Errorf("meanwhile %s is %v, before %v", channel, values, before[channel])
					}
				}
				time.Sleep(3 * every)
				if after := seen(); len(after) == 0 || !reflect.DeepEqual(before, after) {
					t.Errorf("before the dip %v, after it %v", before, after)
				}
			})
		})
	}
}
