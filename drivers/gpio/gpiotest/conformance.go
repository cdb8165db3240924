package gpiotest

import (
	"context"
	"errors"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/gpio"
)

// Wire is one line of a kernel whose outside is in the hands of a test.
type Wire struct {
	Kernel gpio.Kernel
	Chip   string
	Offset int
	Drive  func(high bool) // from outside
	Level  func() bool     // as the outside sees it
	Settle func()          // returns when the kernel has taken an edge; two at once are one
	Float  func()          // lets go; nil if that cannot be played
	// Remove unplugs the chip; Restore puts it back and returns its name, which may be
	// another. nil if that cannot be played.
	Remove  func()
	Restore func() (chip string)
}

// longestWait is how long the suite waits for what should come at once: the virtual board
// is emulated, on a machine that is busy.
const longestWait = 5 * time.Second

// Conformance is what a kernel must do for the drivers to be right. setUp returns a wire that
// is held low. It takes real time.
func Conformance(t *testing.T, setUp func(t *testing.T) Wire) {
	for _, q := range []struct {
		name string
		ask  func(t *testing.T, w Wire)
	}{
		{"edges have direction, number and time", checkEdges},
		{"active low inverts level and edges", checkActiveLow},
		{"debounce lets only lasting levels through", checkDebounce},
		{"lost edges leave a gap in the numbers", checkOverflow},
		{"a wait ends with its time and its context", checkWait},
		{"a pull decides a wire that floats", checkPull},
		{"an output has its first level and does as it is commanded", checkOutput},
		{"an output can keep the level it finds", checkKeep},
		{"a line belongs to one", checkBusy},
		{"a removed chip is reported and can come back", checkRemoval},
	} {
		t.Run(q.name, func(t *testing.T) { q.ask(t, setUp(t)) })
	}
}

func (w Wire) request(t *testing.T, cfg gpio.Config) gpio.Line {
	t.Helper()
	cfg.Consumer = "sensorgate:conformance"
	l, err := w.Kernel.Request(w.Chip, w.Offset, cfg)
	if err != nil {
		t.Fatalf("request %s:%d %+v: %v", w.Chip, w.Offset, cfg, err)
	}
	t.Cleanup(func() { _ = l.Close() }) // the test may have closed it
	return l
}

// expect reads events until it has n.
func expect(t *testing.T, l gpio.Line, n int) []gpio.Event {
	t.Helper()
	var all []gpio.Event
	buf := make([]gpio.Event, 64)
	for deadline := time.Now().Add(longestWait); len(all) < n; {
		got, err := l.Wait(context.Background(), deadline, buf)
		if err != nil {
			t.Fatalf("wait: %v", err)
		}
		if got == 0 {
			t.Fatalf("got %d events within %v, want %d: %+v", len(all), longestWait, n, all)
		}
		all = append(all, buf[:got]...)
	}
	return all
}

func expectSilence(t *testing.T, l gpio.Line, d time.Duration) {
	t.Helper()
	buf := make([]gpio.Event, 64)
	if n, err := l.Wait(context.Background(), time.Now().Add(d), buf); n != 0 || err != nil {
		t.Fatalf("got %d events (%+v) and %v, want none", n, buf[:n], err)
	}
}

func expectLevel(t *testing.T, l gpio.Line, want bool) {
	t.Helper()
	if got, err := l.Get(); err != nil || got != want {
		t.Errorf("level is %v, %v; want %v", got, err, want)
	}
}

func checkEdges(t *testing.T, w Wire) {
	l := w.request(t, gpio.Config{Edges: gpio.Both, Buffer: 64})
	expectLevel(t, l, false)
	var before gpio.Event
	for i := range 10 {
		at := time.Now()
		w.Drive(i%2 == 0)
		e := expect(t, l, 1)[0]
		if e.Rising != (i%2 == 0) || e.Seq != uint32(i+1) {
			t.Errorf("edge %d is %+v, want rising %v, number %d", i, e, i%2 == 0, i+1)
		}
		if early, late := at.Sub(e.Time), time.Until(e.Time); early > time.Millisecond || late > time.Millisecond {
			t.Errorf("edge %d has time %v, made between %v and now", i, e.Time, at)
		}
		if e.Mono <= before.Mono {
			t.Errorf("edge %d at %v is not after %v", i, e.Mono, before.Mono)
		}
		before = e
	}
}

func checkActiveLow(t *testing.T, w Wire) {
	l := w.request(t, gpio.Config{Edges: gpio.Both, ActiveLow: true, Buffer: 64})
	expectLevel(t, l, true)
	w.Drive(true)
	if e := expect(t, l, 1)[0]; e.Rising {
		t.Error("a rising wire is becoming inactive, the event is active")
	}
	expectLevel(t, l, false)
}

func checkDebounce(t *testing.T, w Wire) {
	const period = 50 * time.Millisecond
	l := w.request(t, gpio.Config{Edges: gpio.Both, Debounce: period, Buffer: 64})
	for i := range 21 { // odd: it ends high
		w.Drive(i%2 == 0)
	}
	if e := expect(t, l, 1)[0]; !e.Rising || e.Seq != 1 {
		t.Errorf("after 21 bounces the first event is %+v, want rising, number 1", e)
	}
	expectLevel(t, l, true)
	w.Drive(false)
	w.Drive(true) // back before it lasted
	expectSilence(t, l, 4*period)
}

// checkOverflow makes more edges than the buffer holds. Rising ones only, each after
// the last was taken by the kernel, as its seqno is what counts.
func checkOverflow(t *testing.T, w Wire) {
	const size, made = 16, 40
	l := w.request(t, gpio.Config{Edges: gpio.Rising, Buffer: size})
	for range made {
		w.Drive(true)
		w.Settle()
		w.Drive(false)
		w.Settle()
	}
	evs := expect(t, l, size)
	if first, last := evs[0].Seq, evs[len(evs)-1].Seq; len(evs) != size || last != made || first != made-size+1 {
		t.Errorf("got %d events, numbers %d to %d; want the newest %d, %d to %d", len(evs), first, last, size, made-size+1, made)
	}
}

func checkWait(t *testing.T, w Wire) {
	l := w.request(t, gpio.Config{Edges: gpio.Both, Buffer: 64})
	expectSilence(t, l, -time.Second) // a past time only looks
	start := time.Now()
	expectSilence(t, l, 50*time.Millisecond)
	if took := time.Since(start); took < 50*time.Millisecond {
		t.Errorf("the wait ended after %v, before its time", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	buf := make([]gpio.Event, 1)
	if n, err := l.Wait(ctx, time.Time{}, buf); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled wait gave %d, %v", n, err)
	}
	// The cancelled wait leaves nothing behind, and a past time still finds what is there.
	w.Drive(true)
	expect(t, l, 1)
	w.Drive(false)
	w.Settle()
	for deadline := time.Now().Add(longestWait); ; {
		n, err := l.Wait(t.Context(), time.Unix(1, 0), buf)
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("a look found no event although one was made")
		}
		w.Settle()
	}
}

func checkPull(t *testing.T, w Wire) {
	if w.Float == nil {
		t.Skip("this wire cannot float")
	}
	w.Float()
	for _, up := range []bool{true, false} {
		pull := gpio.PullDown
		if up {
			pull = gpio.PullUp
		}
		l := w.request(t, gpio.Config{Pull: pull})
		expectLevel(t, l, up)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func checkOutput(t *testing.T, w Wire) {
	if w.Float != nil {
		w.Float()
	}
	for _, activeLow := range []bool{false, true} {
		l := w.request(t, gpio.Config{Output: true, Value: true, ActiveLow: activeLow})
		if got := w.Level(); got != !activeLow {
			t.Errorf("active low %v: the wire is %v at the start, want %v", activeLow, got, !activeLow)
		}
		for _, on := range []bool{false, true, true, false} {
			if err := l.Set(on); err != nil {
				t.Fatal(err)
			}
			expectLevel(t, l, on)
			if got := w.Level(); got != (on != activeLow) {
				t.Errorf("active low %v, set %v: the wire is %v", activeLow, on, got)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l := w.request(t, gpio.Config{})
	if err := l.Set(true); err == nil {
		t.Error("an input could be set")
	}
}

func checkKeep(t *testing.T, w Wire) {
	for _, want := range []bool{true, false, true} {
		w.Drive(want)
		l := w.request(t, gpio.Config{Output: true, Keep: true, Value: !want})
		if got := w.Level(); got != want {
			t.Errorf("kept %v, want %v", got, want)
		}
		expectLevel(t, l, want)
		if err := l.Set(!want); err != nil {
			t.Fatal(err)
		}
		expectLevel(t, l, !want)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func checkBusy(t *testing.T, w Wire) {
	l := w.request(t, gpio.Config{Edges: gpio.Both})
	if _, err := w.Kernel.Request(w.Chip, w.Offset, gpio.Config{}); !errors.Is(err, gpio.ErrBusy) {
		t.Errorf("a second request gave %v, want ErrBusy", err)
	}
	lines, err := w.Kernel.Lines(w.Chip)
	if err != nil {
		t.Fatal(err)
	}
	if info := lines[w.Offset]; !info.Used || info.Consumer != "sensorgate:conformance" || info.Output {
		t.Errorf("the line is described as %+v", info)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Get(); err == nil {
		t.Error("a closed line could be read")
	}
	w.request(t, gpio.Config{})
}

func checkRemoval(t *testing.T, w Wire) {
	if w.Remove == nil {
		t.Skip("this chip cannot be removed")
	}
	l := w.request(t, gpio.Config{Edges: gpio.Both})
	w.Remove()
	if _, err := l.Get(); !errors.Is(err, drivers.ErrAbsent) {
		t.Errorf("reading a removed chip's line gave %v, want ErrAbsent", err)
	}
	if _, err := w.Kernel.Request(w.Chip, w.Offset, gpio.Config{}); !errors.Is(err, drivers.ErrAbsent) {
		t.Errorf("requesting a line of a removed chip gave %v, want ErrAbsent", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	w.Chip = w.Restore()
	w.request(t, gpio.Config{Edges: gpio.Both})
}
