package sim

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
)

func openSim(t *testing.T, o Options, channels map[string]ChannelOptions) *device {
	t.Helper()
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	config := drivers.DeviceConfig{Device: "d", Options: &o}
	for name, co := range channels {
		if co.Period == 0 {
			co.Period = time.Minute
		}
		if co.To == 0 {
			co.To = 100
		}
		if err := co.Check(); err != nil {
			t.Fatal(err)
		}
		config.Channels = append(config.Channels, drivers.ChannelConfig{Name: name, Unit: "u", Options: &co})
	}
	dev, err := Driver().Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return dev.(*device)
}

func poll(t *testing.T, d *device) map[string]drivers.Value {
	t.Helper()
	rs, err := d.Poll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]drivers.Value{}
	for _, r := range rs {
		got[r.Channel] = r.Value
	}
	return got
}

func TestShapes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openSim(t, Options{}, map[string]ChannelOptions{
			"sine":    {Shape: Sine, From: -10, To: 10},
			"counter": {Shape: Counter, From: 5, Step: 2},
			"switch":  {Shape: Switch},
			"walk":    {Shape: Walk, From: 20, To: 30},
		})
		time.Sleep(15 * time.Second) // a quarter of the period
		got := poll(t, d)
		for name, want := range map[string]string{"sine": "10", "counter": "35", "switch": "false"} {
			if got[name].String() != want {
				t.Errorf("%s after 15 s: got %v, want %s", name, got[name], want)
			}
		}
		time.Sleep(30 * time.Second)
		if got = poll(t, d); got["sine"].String() != "-10" || got["switch"].String() != "true" {
			t.Errorf("after 45 s: got %v, want sine -10, switch true", got)
		}
		var last float64
		for range 1000 {
			v, _ := poll(t, d)["walk"].Number()
			if v < 20 || v > 30 {
				t.Fatalf("walk left its range: %v", v)
			}
			last = v
		}
		if next, _ := poll(t, d)["walk"].Number(); next == last {
			t.Error("walk stands still")
		}
	})
}

func TestCommands(t *testing.T) {
	d := openSim(t, Options{}, map[string]ChannelOptions{
		"pump": {Shape: Output}, "target": {Shape: Setpoint, From: 5, To: 30}, "sine": {Shape: Sine},
	})
	for _, c := range []struct {
		channel, payload string
		want             error
	}{
		{"pump", "on", nil}, {"target", "21.5", nil},
		{"target", "31", drivers.ErrRefused}, {"pump", "maybe", drivers.ErrRefused},
		{"sine", "1", drivers.ErrNoCommands}, {"nothing", "1", drivers.ErrNoCommands},
	} {
		err := d.Command(t.Context(), drivers.Command{Channel: c.channel, Payload: []byte(c.payload)})
		if !errors.Is(err, c.want) {
			t.Errorf("%s %s: got %v, want %v", c.channel, c.payload, err, c.want)
		}
	}
	got := poll(t, d)
	if got["pump"].String() != "true" || got["target"].String() != "21.5" {
		t.Errorf("got %v, want pump true and target 21.5", got)
	}
}

func TestTroubleOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openSim(t, Options{
			Fail:   &Outage{Every: time.Minute, For: 10 * time.Second},
			Hang:   &Outage{Every: 10 * time.Minute, For: 5 * time.Second},
			Absent: &Outage{Every: time.Hour, For: time.Second},
		}, map[string]ChannelOptions{"x": {Shape: Sine}})
		poll(t, d)
		time.Sleep(55 * time.Second)
		if _, err := d.Poll(t.Context()); err == nil || errors.Is(err, drivers.ErrAbsent) {
			t.Errorf("after 55 s of 1m: got %v, want an error", err)
		}
		time.Sleep(541 * time.Second) // 9:56
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		if _, err := d.Poll(ctx); !errors.Is(err, drivers.ErrNoAnswer) || time.Since(start) != 2*time.Second {
			t.Errorf("hanging: got %v after %v, want no answer when the context ends", err, time.Since(start))
		}
		time.Sleep(time.Until(d.born.Add(time.Hour - time.Second)))
		if _, err := d.Poll(t.Context()); !errors.Is(err, drivers.ErrAbsent) {
			t.Errorf("got %v, want absent", err)
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	if (&Options{Fail: &Outage{Every: time.Second, For: time.Minute}}).Check() == nil {
		t.Error("an outage longer than its interval was accepted")
	}
	if (&ChannelOptions{From: 1, To: 1, Period: 1}).Check() == nil {
		t.Error("an empty range was accepted")
	}
	var s Shape
	if s.UnmarshalText([]byte("square")) == nil {
		t.Error("an unknown shape was accepted")
	}
}
