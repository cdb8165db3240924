package gpio_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestDoorReportsEveryChangeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.board.Drive("GPIO17", false) // the magnet closes the contact to ground
		d := b.start("input", "door", 0, "gpio=GPIO17,pull=up,active=low,debounce=30ms,class=door")
		d.expect("state", "closed", "at start")
		for range 7 { // the contact bounces
			b.board.Drive("GPIO17", true)
			time.Sleep(2 * time.Millisecond)
			b.board.Drive("GPIO17", false)
			time.Sleep(2 * time.Millisecond)
		}
		b.board.Float("GPIO17")
		time.Sleep(29 * time.Millisecond)
		d.expect("state", "", "before the level has lasted")
		time.Sleep(2 * time.Millisecond)
		d.expect("state", "open", "after it has")
		time.Sleep(time.Hour)
		d.expect("state", "", "while nothing happens")
	})
}

func TestHeaderPinsAndOtherNames(t *testing.T) {
	for _, ref := range []string{"P1_11", "J8_11", "gpiochip0:1", "gpiochip0:GPIO17", "pinctrl-bcm2711:1", "/dev/gpiochip0:1"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.board.Drive("GPIO17", true)
			d := b.start("input", "x", 0, "gpio="+ref)
			d.expect("state", "on", ref)
		})
	}
}

func TestLinesThatCannotBeOpenedSayWhy(t *testing.T) {
	for _, c := range []struct{ conf, want string }{
		{"gpio=GPIO99", "gpio GPIO99: not there: no line \"GPIO99\" (try: sensorgate scan gpio)"},
		{"gpio=gpiochip7:1", `gpio gpiochip7:1: not there: no chip "gpiochip7" (have gpiochip0 pinctrl-bcm2711)`},
		{"gpio=gpiochip0:5", "gpio gpiochip0:5: gpiochip0 has lines 0 to 4"},
		{"gpio=P1_6", "gpio P1_6: P1_6: that pin is power or ground"},
		{"gpio=P1_41", "gpio P1_41: P1_41: the header has pins 1 to 40"},
		{"gpio=GPIO27", "gpio GPIO27: in use by \"sensorgate:other\""},
		{"gpio=GPIO22", "gpio GPIO22: not supported by this line (asked for edges; a line without an interrupt can be read with poll)"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.board.NoInterrupt("GPIO22")
			b.start("input", "other", 0, "gpio=GPIO27")
			if got := b.start("input", "x", 0, c.conf).faults(); got != c.want {
				t.Errorf("%s: got  %s\nwant %s", c.conf, got, c.want)
			}
		})
	}
}

func TestOneNameOnTwoChipsIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.board.AddChip("gpiochip1", "expander", "GPIO17")
		want := `"GPIO17" is the name of two lines, gpiochip0:1 and gpiochip1:0: say which`
		if got := b.start("input", "x", 0, "gpio=GPIO17").faults(); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestChipThatIsUnpluggedComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.board.AddChip("gpiochip1", "usb", "U0")
		d := b.start("input", "x", 0, "gpio=U0")
		d.expect("state", "off", "at start")
		b.board.RemoveChip("gpiochip1")
		time.Sleep(11 * time.Second) // nothing wakes: the look at the level finds it
		if got := d.faults(); !strings.Contains(got, "not there") {
			t.Errorf("the removal gave %q", got)
		}
		b.board.AddChip("gpiochip1", "usb", "U0")
		b.board.Drive("U0", true)
		time.Sleep(2 * time.Second)
		d.expect("state", "on", "after it is back")
	})
}

func TestEdgeThatTheKernelMissedIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := b.start("input", "x", 0, "gpio=GPIO17,debounce=0s")
		d.expect("state", "off", "at start")
		b.board.DriveUnseen("GPIO17", true)
		time.Sleep(11 * time.Second)
		d.expect("state", "on", "after the next look")
	})
}

func TestStuckInputIsAFaultUntilItMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := b.start("input", "pir", 0, "gpio=GPIO17,class=motion,stuck_after=1h,stuck_when=active")
		time.Sleep(3 * time.Hour)
		if got := d.faults(); got != "" {
			t.Errorf("inactive for hours is no fault here, got %q", got)
		}
		b.board.Drive("GPIO17", true)
		time.Sleep(time.Hour - time.Second)
		if got := d.faults(); got != "" {
			t.Errorf("a fault before the time: %q", got)
		}
		time.Sleep(2 * time.Second)
		if got, want := d.faults(), "motion without a change for 1h0m0s: stuck, or its wire is broken"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		d.said("state")
		b.board.Drive("GPIO17", false)
		time.Sleep(time.Second)
		d.expect("state", "clear", "when it moves")
		if h := d.Runner.Health(); h.State != "ok" {
			t.Errorf("health is %v after it moved", h)
		}
	})
}

func TestButtonHeldAtStartWasNotPressed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.board.Drive("GPIO17", true)
		d := b.start("input", "bell", 0, "gpio=GPIO17,class=button")
		d.expect("state", "", "held at start")
		b.board.Drive("GPIO17", false)
		time.Sleep(time.Second)
		b.board.Drive("GPIO17", true)
		time.Sleep(time.Second)
		d.expect("state", "released pressed", "afterwards")
	})
}

func TestFloatingLineCostsNoMoreThanItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := b.start("input", "x", 0, "gpio=GPIO17,debounce=0s")
		d.said("state")
		for range 40_000 { // two seconds at 20 kHz
			b.board.Drive("GPIO17", !b.board.Level("GPIO17"))
			time.Sleep(50 * time.Microsecond)
		}
		n := len(strings.Fields(d.said("state")))
		if n > 3*(2000+64) || n < 3000 { // the third second begins at its end
			t.Errorf("%d readings in two seconds, want about 2000 a second", n)
		}
		if got := d.faults(); !strings.Contains(got, "more than 2000 edges in a second") {
			t.Errorf("the fault is %q", got)
		}
		b.board.Drive("GPIO17", true)
		time.Sleep(20 * time.Second)
		if got := strings.Fields(d.said("state")); len(got) == 0 || got[len(got)-1] != "on" {
			t.Errorf("the last state is not the level of the line: %v", got)
		}
	})
}

func TestPolledInputNeedsTwoLooksThatAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.board.NoInterrupt("GPIO17")
		d := b.start("input", "x", 0, "gpio=GPIO17,poll=50ms")
		d.expect("state", "off", "at start")
		time.Sleep(40 * time.Millisecond)
		b.board.Drive("GPIO17", true)
		time.Sleep(20 * time.Millisecond)
		b.board.Drive("GPIO17", false) // a spike across one look
		time.Sleep(time.Second)
		d.expect("state", "", "a spike")
		b.board.Drive("GPIO17", true)
		time.Sleep(101 * time.Millisecond)
		d.expect("state", "on", "a level")
	})
}
