package modbus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
	"sensorgate/internal/timing"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// bus runs a shared wire on path.
func bus(t testing.TB, path, line string) *serial.Bus {
	t.Helper()
	o := serial.PortOptions{Port: path}
	if err := o.Line.UnmarshalText([]byte(line)); err != nil {
		t.Fatal(err)
	}
	b := serial.NewBus("wire", o, quiet())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return b
}

// seen is what a Watcher reported.
type seen struct {
	r   drivers.Reading
	err error
}

// unit opens a device on b and watches it. channels are pairs of name and options.
func unit(t testing.TB, b *serial.Bus, o Options, every time.Duration, channels map[string]Channel) (*device, <-chan seen) {
	t.Helper()
	if o.Unit == 0 {
		o.Unit = 1
	}
	if o.Timeout == 0 {
		o.Timeout = 200 * time.Millisecond
	}
	if o.TCP == "" {
		o.Bus = "wire"
	}
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	config := drivers.DeviceConfig{Device: "d", Options: &o, Every: every}
	for name, c := range channels {
		if err := c.Check(); err != nil {
			t.Fatal(name, err)
		}
		config.Channels = append(config.Channels, drivers.ChannelConfig{Name: name, Options: &c})
	}
	driver := Drivers(serial.Only(b), quiet())[0]
	dev, err := driver.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	reports, done := make(chan seen, 10000), make(chan struct{})
	go func() {
		defer close(done)
		dev.(drivers.Watcher).Watch(ctx, func(r drivers.Reading, err error) { reports <- seen{r, err} })
	}()
	t.Cleanup(func() { cancel(); <-done; dev.(io.Closer).Close() })
	return dev.(*device), reports
}

func next(t testing.TB, reports <-chan seen) seen {
	t.Helper()
	select {
	case s := <-reports:
		return s
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was reported for 30 s")
		return seen{}
	}
}

// collect returns the first value of each of n channels; errors fail the test.
func collect(t testing.TB, reports <-chan seen, n int) map[string]string {
	t.Helper()
	got := map[string]string{}
	for len(got) < n {
		s := next(t, reports)
		if s.err != nil {
			t.Fatal(s.err)
		}
		got[s.r.Channel] = s.r.Value.String()
	}
	return got
}

func typed(t testing.TB, typ string) field.Layout {
	t.Helper()
	var l field.Layout
	if err := l.Type.UnmarshalText([]byte(typ)); err != nil {
		t.Fatal(err)
	}
	return l
}

func ptr[T any](v T) *T { return &v }

func f32(at uint16, v float32, into map[uint16]uint16) {
	into[at], into[at+1] = uint16(math.Float32bits(v)>>16), uint16(math.Float32bits(v))
}

func TestReadsAllTables(t *testing.T) {
	u := &slave{holding: map[uint16]uint16{10: 0xFFFE, 11: 7}, input: map[uint16]uint16{}, coils: map[uint16]bool{3: true, 4: false}}
	f32(0, 230.2, u.input)
	f32(6, 0.5, u.input)
	for i := uint16(2); i < 6; i++ {
		u.input[i] = 0
	}
	s, path := newSlaves(t, map[byte]*slave{1: u})
	s.set(func() { s.chunk = 1 })
	signed := typed(t, "s16")
	bit := field.Layout{Bit: ptr(1)}
	_, reports := unit(t, bus(t, path, "115200 8N1"), Options{}, time.Hour, map[string]Channel{
		"voltage": {Input: ptr(0), Layout: typed(t, "f32")}, "current": {Input: ptr(6), Layout: typed(t, "f32")},
		"setpoint": {Holding: ptr(10), Layout: signed}, "flag": {Holding: ptr(11), Layout: bit},
		"pump": {Coil: ptr(3)}, "fan": {Coil: ptr(4)},
	})
	got := collect(t, reports, 6)
	for channel, want := range map[string]string{"voltage": "230.2", "current": "0.5", "setpoint": "-2", "flag": "true", "pump": "true", "fan": "false"} {
		if got[channel] != want {
			t.Errorf("%s: got %s, want %s", channel, got[channel], want)
		}
	}
	s.set(func() {
		if len(s.requests) != 3 {
			t.Errorf("%d requests, want 3: one per table", len(s.requests))
		}
	})
}

// The defect of other masters: after one late answer every value is its predecessor's.
func TestLateAnswerIsNobodyElses(t *testing.T) {
	u := &slave{holding: map[uint16]uint16{}, delay: 400 * time.Millisecond}
	for i := range uint16(1000) {
		u.holding[i] = i
	}
	_, path := newSlaves(t, map[byte]*slave{1: u})
	channels := map[string]Channel{}
	for _, at := range []int{100, 200, 300, 400} { // far apart: a request each, all of one length
		channels[string(rune('a'+at/100-1))] = Channel{Holding: ptr(at)}
	}
	_, reports := unit(t, bus(t, path, "19200 8N1"), Options{Timeout: 300 * time.Millisecond}, 50*time.Millisecond, channels)
	for range 40 {
		s := next(t, reports)
		if s.err != nil {
			continue
		}
		want := float64(s.r.Channel[0]-'a'+1) * 100
		if v, _ := s.r.Value.Number(); v != want {
			t.Fatalf("%s: got %v, want %v: it took another request's answer", s.r.Channel, v, want)
		}
	}
}

func TestNoiseEchoesOfOthersAndBrokenAnswers(t *testing.T) {
	late := seal(2, []byte{3, 2, 0xDE, 0xAD}) // another unit's answer, in front of ours
	u := &slave{holding: map[uint16]uint16{0: 42}, noise: append([]byte{0, 0xFF, 1, 3}, late...), spoil: 1}
	_, path := newSlaves(t, map[byte]*slave{1: u})
	_, reports := unit(t, bus(t, path, "9600 8N1"), Options{}, 20*time.Millisecond, map[string]Channel{"x": {Holding: ptr(0)}})
	for range 3 {
		if s := next(t, reports); s.err != nil || s.r.Value.String() != "42" {
			t.Fatalf("got %v, want 42", s)
		}
	}
}

// A device that refuses a block gets smaller ones; the register that it does not have is
// reported once, and costs the others nothing.
func TestRefusedBlockIsSplit(t *testing.T) {
	u := &slave{holding: map[uint16]uint16{0: 1, 1: 2, 2: 3, 4: 5}}
	s, path := newSlaves(t, map[byte]*slave{1: u})
	_, reports := unit(t, bus(t, path, "115200 8N1"), Options{}, 50*time.Millisecond, map[string]Channel{
		"a": {Holding: ptr(0)}, "b": {Holding: ptr(1)}, "c": {Holding: ptr(2)}, "none": {Holding: ptr(3)}, "e": {Holding: ptr(4)},
	})
	got, refusals := map[string]int{}, 0
	for got["a"] < 3 || got["b"] < 3 || got["c"] < 3 || got["e"] < 3 {
		if s := next(t, reports); s.err == nil {
			got[s.r.Channel]++
		} else if refusals++; !errors.Is(s.err, drivers.ErrRefused) || !strings.Contains(s.err.Error(), "holding 3") {
			t.Fatalf("got %v, want a refusal that names the register", s.err)
		}
	}
	if refusals != 1 || got["none"] != 0 {
		t.Errorf("%d refusals reported, %d values of what is not there; want 1 and 0", refusals, got["none"])
	}
	u2 := &slave{holding: u.holding, maxRead: 2}
	s.set(func() { s.units[1] = u2 })
	for range 10 {
		if s := next(t, reports); s.err != nil {
			t.Errorf("with at most 2 registers a request: %v", s.err)
		}
	}
}

func TestCommandsAreReadBack(t *testing.T) {
	u := &slave{holding: map[uint16]uint16{5: 0, 6: 0, 7: 0}, coils: map[uint16]bool{0: false}}
	s, path := newSlaves(t, map[byte]*slave{1: u})
	scaled := typed(t, "s16")
	scaled.Scale, scaled.Min, scaled.Max = 0.1, ptr(-20.0), ptr(60.0)
	d, reports := unit(t, bus(t, path, "115200 8N1"), Options{}, time.Hour, map[string]Channel{
		"target": {Holding: ptr(5), Layout: scaled, Write: true}, "limit": {Holding: ptr(6), Layout: typed(t, "f32"), Write: true},
		"relay": {Coil: ptr(0), Write: true}, "multi": {Coil: ptr(0), Write: true, Multiple: true},
	})
	collect(t, reports, 4)
	command := func(channel, payload string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		return d.Command(ctx, drivers.Command{Channel: channel, Payload: []byte(payload)})
	}
	for _, c := range []struct{ channel, payload string }{{"target", "-12.3"}, {"limit", "2.5"}, {"relay", "on"}} {
		if err := command(c.channel, c.payload); err != nil {
			t.Errorf("%s %s: %v", c.channel, c.payload, err)
		}
		for { // the new state is published without waiting for the interval, which is an hour
			if s := next(t, reports); s.err == nil && s.r.Channel == c.channel &&
				(s.r.Value.String() == c.payload || s.r.Value == drivers.Bool(true)) {
				break
			}
		}
	}
	s.set(func() {
		if int16(u.holding[5]) != -123 || u.holding[6] != 0x4020 || !u.coils[0] {
			t.Errorf("the device has %d, %04X, %t", int16(u.holding[5]), u.holding[6], u.coils[0])
		}
		u.stubborn = true
	})
	if err := command("target", "20"); !errors.Is(err, drivers.ErrRefused) || !strings.Contains(err.Error(), "reads back as -12.3") {
		t.Errorf("a device that ignores a write: got %v, want a refusal with what it reads back as", err)
	}
	for _, bad := range []struct{ channel, payload string }{{"target", "61"}, {"target", "warm"}, {"limit", "1e40"}, {"relay", "2"}} {
		if err := command(bad.channel, bad.payload); !errors.Is(err, drivers.ErrRefused) {
			t.Errorf("%s %s: got %v, want a refusal", bad.channel, bad.payload, err)
		}
	}
	s.set(func() { u.dead = true })
	if err := command("relay", "off"); !errors.Is(err, drivers.ErrNoAnswer) {
		t.Errorf("a dead device: got %v, want no answer", err)
	}
	if err := command("nothing", "1"); !errors.Is(err, drivers.ErrNoCommands) {
		t.Errorf("got %v, want no commands", err)
	}
}

// It is reported, asked less often, and back with everything due at once.
func TestDeadUnitAndBack(t *testing.T) {
	u := &slave{holding: map[uint16]uint16{0: 42}}
	s, path := newSlaves(t, map[byte]*slave{1: u})
	_, reports := unit(t, bus(t, path, "115200 8N1"), Options{Timeout: 50 * time.Millisecond}, 20*time.Millisecond, map[string]Channel{"x": {Holding: ptr(0)}})
	collect(t, reports, 1)
	s.set(func() { u.dead = true })
	for {
		if s := next(t, reports); s.err != nil {
			if !errors.Is(s.err, drivers.ErrNoAnswer) || !strings.Contains(s.err.Error(), "unit 1") {
				t.Errorf("got %v, want no answer of unit 1", s.err)
			}
			break
		}
	}
	s.set(func() { s.requests = nil })
	time.Sleep(500 * time.Millisecond)
	s.set(func() {
		if len(s.requests) > 1 {
			t.Errorf("%d requests to a dead unit in half a second", len(s.requests))
		}
		u.dead = false
	})
	for {
		if s := next(t, reports); s.err == nil {
			break
		}
	}
}

// Two units on one wire; the adapter is unplugged and comes back with another pty behind
// the same name. Told within 2 s, and working within 2 s.
func TestUnplugAndBack(t *testing.T) {
	units := map[byte]*slave{1: {holding: map[uint16]uint16{0: 11}}, 2: {holding: map[uint16]uint16{0: 22}}}
	first, path := newSlaves(t, units)
	link := t.TempDir() + "/port"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	b := bus(t, link, "115200 8N1")
	x := map[string]Channel{"x": {Holding: ptr(0)}}
	_, one := unit(t, b, Options{Unit: 1}, 50*time.Millisecond, x)
	_, two := unit(t, b, Options{Unit: 2}, 50*time.Millisecond, x)
	both := func(want string) {
		t.Helper()
		for i, reports := range []<-chan seen{one, two} {
			for start := time.Now(); ; {
				s := next(t, reports)
				if s.err == nil && s.r.Value.String() == strings.Repeat(fmt.Sprint(i+1), 2) && want == "values" || errors.Is(s.err, drivers.ErrAbsent) && want == "absent" {
					break
				}
				if time.Since(start) > timing.Limit(2*time.Second) {
					t.Fatalf("unit %d: no %s for 2 s, at last %v", i+1, want, s)
				}
			}
		}
	}
	both("values")
	os.Remove(link)
	first.far.(io.Closer).Close()
	both("absent")
	_, path = newSlaves(t, units)
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	both("values")
}

// An adapter that hears what it sends: FC 5's and 6's answers are the same as the requests.
func TestEchoIsNotAnAnswer(t *testing.T) {
	u := &slave{holding: map[uint16]uint16{0: 1}, coils: map[uint16]bool{0: false}}
	s, path := newSlaves(t, map[byte]*slave{1: u})
	s.set(func() { s.echo = true })
	o := serial.PortOptions{Port: path, Echo: true}
	b := serial.NewBus("wire", o, quiet())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	d, reports := unit(t, b, Options{}, time.Hour, map[string]Channel{"x": {Holding: ptr(0)}, "relay": {Coil: ptr(0), Write: true}})
	collect(t, reports, 2)
	if err := d.Command(t.Context(), drivers.Command{Channel: "relay", Payload: []byte("on")}); err != nil {
		t.Error(err)
	}
	s.set(func() { u.dead = true })
	if err := d.Command(t.Context(), drivers.Command{Channel: "relay", Payload: []byte("off")}); !errors.Is(err, drivers.ErrNoAnswer) {
		t.Errorf("only the echo came back: got %v, want no answer", err)
	}
}
