package gpio_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
)

func TestRelayExecutesCommandsAndFailsSafe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := b.start("output", "pump", 0, "gpio=GPIO22,active=low,failsafe.after=2m,failsafe.state=off,max_on=30m")
		d.expect("state", "off", "at start")
		for range 10 { // a controller that repeats itself keeps it on
			if err := d.command("state", "on"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		d.expect("state", "on", "repeated commands")
		if b.board.Level("GPIO22") {
			t.Error("an active-low relay that is on has a high line")
		}
		time.Sleep(59 * time.Second)
		d.expect("state", "", "just before the failsafe")
		time.Sleep(2 * time.Second)
		d.expect("state", "off", "two minutes after the last command")
		if got, want := d.faults(), "failsafe: no command for 2m0s, switched off"; got != want {
			t.Errorf("fault %q, want %q", got, want)
		}
		if h := d.Runner.Health(); h.State != drivers.Failing {
			t.Errorf("health is %v, want it to show the failsafe until the next command", h.State)
		}
		if err := d.command("state", "on"); err != nil {
			t.Errorf("after the failsafe a command is executed, got %v", err)
		}
	})
}

func TestMaxOnIsNotExtendedByCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := b.start("output", "pump", 0, "gpio=GPIO22,max_on=30m")
		d.said("state")
		for range 29 {
			_ = d.command("state", "on")
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Minute + time.Millisecond)
		d.expect("state", "on off", "30 minutes after it went on")
		if b.board.Level("GPIO22") {
			t.Error("the line is still high")
		}
	})
}

func TestMinimumTimesRefuseAndSayWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := b.start("output", "fridge", 0, "gpio=GPIO22,min_on=3m,min_off=5m,failsafe.after=1m,failsafe.state=off")
		refused(t, d.command("state", "on"), "min_off = 5m0s, possible in 5m0s") // it may have been on until the power cut
		time.Sleep(5 * time.Minute)
		if err := d.command("state", "on"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		refused(t, d.command("state", "off"), "min_on = 3m0s, possible in 2m0s")
		time.Sleep(119 * time.Second)
		if !b.board.Level("GPIO22") {
			t.Error("the failsafe broke min_on")
		}
		time.Sleep(2 * time.Second)
		if b.board.Level("GPIO22") {
			t.Error("the failsafe did not come after min_on")
		}
	})
}

func refused(t *testing.T, err error, why string) {
	t.Helper()
	if !errors.Is(err, drivers.ErrRefused) || !strings.Contains(err.Error(), why) {
		t.Errorf("got %v, want a refusal with %q", err, why)
	}
}

func TestNoOutputGlitchesAtStartOrExit(t *testing.T) {
	for _, c := range []struct{ conf, levels string }{
		{"gpio=GPIO22", "0 0 -"},
		{"gpio=GPIO22,start=on", "1 1 -"},
		{"gpio=GPIO22,active=low", "1 1 -"},
		{"gpio=GPIO22,active=low,start=on,exit=off", "0 1 -"},
		{"gpio=GPIO22,start=keep", "1 -"}, // the wire is high before
		{"gpio=GPIO22,start=last", "0 -"}, // nothing was commanded ever
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.board.Drive("GPIO22", true)
			b.board.Float("GPIO22")
			d := b.start("output", "relay", 0, c.conf)
			d.stop()
			var got []string
			for _, l := range b.board.Log("GPIO22") {
				switch {
				case !l.Output:
					got = append(got, "-")
				case l.Level:
					got = append(got, "1")
				default:
					got = append(got, "0")
				}
			}
			if s := strings.Join(got, " "); s != c.levels {
				t.Errorf("%s: the wire saw %s, want %s", c.conf, s, c.levels)
			}
		})
	}
}

func TestLastStateComesBackAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		const conf = "gpio=GPIO22,start=last,class=valve"
		d := b.start("output", "valve", 0, conf)
		if err := d.command("state", "open"); err != nil {
			t.Fatal(err)
		}
		d.stop()
		d = b.start("output", "valve", 0, conf)
		d.expect("state", "open", "after the restart")
		if !b.board.Level("GPIO22") {
			t.Error("the line is low")
		}
	})
}

func TestOrdersThatAreNoEndState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := b.start("output", "valve", 0, "gpio=GPIO22,class=valve")
		for _, p := range []string{"toggle", "", "maybe", "2", strings.Repeat("x", 1000)} {
			refused(t, d.command("state", p), "")
		}
		for _, p := range []string{"open", "ON", "true", "1", `"open"`, " on\n"} {
			if err := d.command("state", p); err != nil || !b.board.Level("GPIO22") {
				t.Errorf("%q: %v, level %v", p, err, b.board.Level("GPIO22"))
			}
			if err := d.command("state", "closed"); err != nil || b.board.Level("GPIO22") {
				t.Errorf("closed: %v, level %v", err, b.board.Level("GPIO22"))
			}
		}
		if err := d.command("level", "on"); !errors.Is(err, drivers.ErrNoCommands) {
			t.Errorf("another channel gave %v", err)
		}
	})
}

func TestShortCircuitIsNotDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.board.Short("GPIO22", false)
		d := b.start("output", "relay", 0, "gpio=GPIO22")
		err := d.command("state", "on")
		if err == nil || !strings.Contains(err.Error(), "set to on but the line reads off") {
			t.Errorf("got %v", err)
		}
		if got := d.faults(); !strings.Contains(got, "the line reads off") {
			t.Errorf("the fault is %q", got)
		}
		b.board.Float("GPIO22")
		time.Sleep(11 * time.Second)
		if h := d.Runner.Health(); h.State != drivers.OK {
			t.Errorf("health is %+v after the short is gone", h)
		}
		d.expect("state", "off on", "reported when it is true")
	})
}

func TestInterlockLetsOneOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		const group = ",interlock=blind,interlock_wait=500ms"
		up, down := b.start("output", "up", 0, "gpio=GPIO17"+group), b.start("output", "down", 0, "gpio=GPIO22"+group)
		must(t, up.command("state", "on"))
		refused(t, down.command("state", "on"), "interlock blind: up is on")
		must(t, up.command("state", "off"))
		began := time.Now()
		must(t, down.command("state", "on")) // waits for the pause
		if took := time.Since(began); took != 500*time.Millisecond {
			t.Errorf("the other direction came on after %v, want 500ms", took)
		}
		// The same one again needs no pause.
		must(t, down.command("state", "off"))
		began = time.Now()
		must(t, down.command("state", "on"))
		if took := time.Since(began); took != 0 {
			t.Errorf("the same direction came on after %v", took)
		}
		down.stop()
		time.Sleep(time.Second)
		must(t, up.command("state", "on"))
	})
}

func TestNewerOrderOvertakesOneThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		const group = ",interlock=blind,interlock_wait=2s"
		up, down := b.start("output", "up", 0, "gpio=GPIO17"+group), b.start("output", "down", 0, "gpio=GPIO22"+group)
		must(t, up.command("state", "on"))
		must(t, up.command("state", "off"))
		waiting := make(chan error)
		go func() { waiting <- down.command("state", "on") }()
		time.Sleep(time.Second)
		must(t, down.command("state", "off"))
		refused(t, <-waiting, "a newer command came")
		if b.board.Level("GPIO22") {
			t.Error("the older command won")
		}
	})
}

func TestExpiredOrderIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := b.start("output", "relay", 0, "gpio=GPIO22")
		err := d.Command(context.Background(), drivers.Command{Channel: "state", Payload: []byte("on"), Expires: time.Now().Add(-time.Minute)})
		refused(t, err, "expired")
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRulesThatContradictAreFound(t *testing.T) {
	for conf, want := range map[string]string{
		"start=maybe": "start", "exit=last": "exit", "max_on=1m,min_on=2m": "min_on", "min_off=-1s": "min_off",
		"failsafe.after=0s,failsafe.state=off": "failsafe.after", "failsafe.after=1m,failsafe.state=blue": "failsafe.state",
		"interlock=a,start=on": "start", "interlock=a,start=keep": "start", "interlock=a,exit=keep": "exit",
		"interlock=a,failsafe.after=1m,failsafe.state=on": "failsafe.state",
		"interlock=a,interlock_wait=1m":                   "interlock_wait", "interlock_wait=1s": "interlock_wait",
	} {
		o := newBench(t).driver("output").Options()
		decode(t, o, "gpio=GPIO22,"+conf)
		var key *drivers.KeyError
		if err := o.(drivers.Checker).Check(); !errors.As(err, &key) || key.Key != want {
			t.Errorf("%s: got %v, want a fault of %s", conf, err, want)
		}
	}
}
