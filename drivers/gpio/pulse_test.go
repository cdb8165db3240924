package gpio_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// turn makes n pulses, falling edge first, one per period.
func (b *bench) turn(line string, n int, period time.Duration) {
	for range n {
		b.board.Drive(line, false)
		time.Sleep(period / 2)
		b.board.Drive(line, true)
		time.Sleep(period - period/2)
	}
}

const waterMeter = "gpio=GPIO27,pull=up,debounce=20ms,per_pulse=1 L"

func TestWaterMeterCountsAndFlows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.board.Drive("GPIO27", true)
		d := b.start("pulse", "water", 10*time.Second, waterMeter)
		d.expect("total", "0", "the first start")
		b.turn("GPIO27", 60, time.Second)
		time.Sleep(time.Second)
		d.expect("total", "10 20 30 40 50 60", "a litre a second")
		d.expect("flow", "60 60 60 60 60 60", "in L/min")
		time.Sleep(10 * time.Minute)
		d.expect("total", repeat("60", 30), "while the flow falls")
		flow := strings.Fields(d.said("flow"))
		if flow[len(flow)-1] != "0" {
			t.Errorf("the flow ends with %v, want 0", flow)
		}
		time.Sleep(24 * time.Hour)
		d.expect("total", "", "while nothing flows")
	})
}

func repeat(s string, n int) string { return strings.TrimSpace(strings.Repeat(s+" ", n)) }

func TestFirstPulseAfterAPauseIsReportedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.board.Drive("GPIO27", true)
		d := b.start("pulse", "water", 10*time.Second, waterMeter)
		time.Sleep(6 * time.Minute)
		d.expect("total", "0 0", "start and known to be still")
		d.expect("flow", "0", "known to be still")
		b.board.Drive("GPIO27", false)
		time.Sleep(20 * time.Millisecond)
		d.expect("total", "1", "at once")
		d.expect("flow", "0", "one pulse means nothing for the flow")
	})
}

func TestTotalSurvivesAndSaysWhenPulsesMayBeMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.board.Drive("GPIO27", true)
		d := b.start("pulse", "water", 10*time.Second, waterMeter)
		b.turn("GPIO27", 7, 100*time.Millisecond)
		time.Sleep(10 * time.Second)
		d.expect("total", "0 7", "before")
		d.stop()
		d = b.start("pulse", "water", 10*time.Second, waterMeter)
		d.expect("total", "7?", "after the restart: nobody counted meanwhile")
		b.turn("GPIO27", 1, time.Second)
		time.Sleep(10 * time.Second)
		d.expect("total", "8", "from then on it is sure")
	})
}

func TestTotalIsSavedWithinAnInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.board.Drive("GPIO27", true)
		b.start("pulse", "water", 10*time.Second, "gpio=GPIO27,debounce=0s,per_pulse=1 L")
		b.turn("GPIO27", 500, time.Millisecond)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if got, want := b.store["total"], `{"pulses":500,"offset":0,"per":"1 L"}`; got != want {
			t.Errorf("stored %s, want %s", got, want)
		}
	})
}

func TestTotalIsSetByCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.board.Drive("GPIO27", true)
		d := b.start("pulse", "power", 10*time.Second, "gpio=GPIO27,per_pulse=1/1000 kWh")
		d.said("total")
		time.Sleep(11 * time.Second)
		must(t, d.command("total", "99"))
		d.expect("total", "99", "reported at once")
		must(t, d.command("total", "12345.678"))
		d.expect("total", "12345.678", "reported at once, also the second time")
		b.turn("GPIO27", 1000, time.Second)
		time.Sleep(10 * time.Second)
		said := strings.Fields(d.said("total"))
		if got := said[len(said)-1]; got != "12346.678" {
			t.Errorf("a thousand pulses later it is %s", got)
		}
		if got := strings.Fields(d.said("power")); got[len(got)-2] != "3.6" {
			t.Errorf("a Wh each second is 3.6 kW, got %v", got)
		}
		for _, p := range []string{"-1", "NaN", "Inf", "x", "", "1e300"} {
			refused(t, d.command("total", p), "expected the total in kWh")
		}
	})
}

func TestChangedPerPulseKeepsTheTotal(t *testing.T) {
	for _, c := range []struct{ per, want string }{
		{"0.5 L", "100?"},
		{"0.001 m³", "0.1?"},
		{"1 kWh", "0"}, // cannot be converted: said so, and counted anew
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.store["total"] = `{"pulses":40,"offset":60,"per":"1 L"}`
			d := b.start("pulse", "water", 10*time.Second, "gpio=GPIO27,per_pulse="+c.per)
			d.expect("total", c.want, c.per)
			if reported := strings.Contains(d.faults(), "counting from 0"); reported != (c.want == "0") {
				t.Errorf("%s: reported a new start: %v", c.per, reported)
			}
		})
	}
}

func TestUnreadableTotalIsReported(t *testing.T) {
	for _, stored := range []string{"", "{", `{"pulses":-1}`, `{"pulses":1,"per":""}`, "\x00\xff"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.store["total"] = stored
			d := b.start("pulse", "water", 10*time.Second, waterMeter)
			d.expect("total", "0", stored)
			if got := d.faults(); !strings.Contains(got, "the stored total cannot be read") {
				t.Errorf("%q: fault %q", stored, got)
			}
		})
	}
}

func TestShortPulsesAreNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.board.Drive("GPIO27", true)
		d := b.start("pulse", "power", 10*time.Second, "gpio=GPIO27,debounce=0s,min_width=30ms,per_pulse=1 Wh")
		b.turn("GPIO27", 5, 59*time.Millisecond) // low for 29.5 ms
		b.turn("GPIO27", 3, 61*time.Millisecond)
		time.Sleep(10 * time.Second)
		d.expect("total", "0 3", "only those of 30 ms")
	})
}

// The machine is too busy to read for longer than the kernel's buffer lasts. Each edge
// was numbered, so the total is still right.
func TestDroppedEventsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.board.Drive("GPIO27", true)
		d := b.start("pulse", "water", 10*time.Second, "gpio=GPIO27,debounce=0s,per_pulse=1")
		b.board.Burst("GPIO27", 10_000)
		time.Sleep(11 * time.Second)
		d.expect("total", "0 5000", "all")
	})
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.board.Drive("GPIO27", true)
		d := b.start("pulse", "water", 10*time.Second, "gpio=GPIO27,debounce=0s,min_width=1ms,per_pulse=1")
		d.said("total")
		b.board.Burst("GPIO27", 10_000)
		time.Sleep(11 * time.Second)
		if got := d.faults(); !strings.Contains(got, "edges were lost") {
			t.Errorf("with min_width what was lost is reported, got %q", got)
		}
		b.turn("GPIO27", 1, 10*time.Millisecond)
		time.Sleep(10 * time.Second)
		d.expect("total", "1?", "uncertain once")
	})
}

func TestFanSpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := b.start("frequency", "fan", time.Second, "gpio=GPIO17,per_turn=2,unit=rpm,zero_after=2s")
		time.Sleep(2500 * time.Millisecond)
		d.expect("speed", "0", "known to stand still after two seconds")
		for range 6000 { // 100 Hz, far more than the buffer holds between polls
			b.board.Drive("GPIO17", true)
			time.Sleep(5 * time.Millisecond)
			b.board.Drive("GPIO17", false)
			time.Sleep(5 * time.Millisecond)
		}
		said := strings.Fields(d.said("speed"))
		for i, s := range said {
			if s != "3000" && i > 0 {
				t.Errorf("reading %d is %s, want 3000: two edges a turn at 100 Hz", i, s)
			}
		}
		if len(said) < 58 {
			t.Errorf("%d readings in a minute", len(said))
		}
		time.Sleep(10 * time.Second)
		said = strings.Fields(d.said("speed"))
		if said[len(said)-1] != "0" {
			t.Errorf("after it stopped: %v", said)
		}
	})
}

func TestSlowFrequencyIsExactFromTwoEdges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := b.start("frequency", "wind", time.Second, "gpio=GPIO17,zero_after=10s")
		b.board.Drive("GPIO17", true)
		time.Sleep(2 * time.Second)
		d.expect("frequency", "", "one edge means nothing")
		b.board.Drive("GPIO17", false)
		time.Sleep(2 * time.Second)
		b.board.Drive("GPIO17", true)
		time.Sleep(time.Second)
		d.expect("frequency", "0.25", "two edges in 4 s")
	})
}

// The stop comes while pulses wait in the kernel.
func TestPulsesBeforeTheStopAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := b.start("pulse", "water", 10*time.Second, "gpio=GPIO27,debounce=0s,edge=both,per_pulse=1")
		b.board.Burst("GPIO27", 1000)
		d.stop()
		if got, want := b.store["total"], `{"pulses":1000,"offset":0,"per":"1"}`; got != want {
			t.Errorf("stored %s, want %s", got, want)
		}
	})
}
