package drivers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// recorder is a Sink that keeps what it receives.
type recorder struct {
	mu       sync.Mutex
	readings []Reading
	health   []Health
}

func (r *recorder) Readings(rs []Reading) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readings = append(r.readings, rs...)
}

func (r *recorder) Health(_ string, h Health) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.health = append(r.health, h)
}

func (r *recorder) states() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var s []string
	for _, h := range r.health {
		s = append(s, string(h.State))
	}
	return strings.Join(s, " ")
}

// fake is a device whose behaviour a test writes down as funcs.
type fake struct {
	poll    func(context.Context) ([]Reading, error)
	command func(context.Context, Command) error
	closed  func()
}

func (f *fake) Poll(ctx context.Context) ([]Reading, error)  { return f.poll(ctx) }
func (f *fake) Command(ctx context.Context, c Command) error { return f.command(ctx, c) }
func (f *fake) Close() error {
	if f.closed != nil {
		f.closed()
	}
	return nil
}

// start runs a device until the test ends and returns its runner.
func start(t *testing.T, every time.Duration, open func() (any, error)) (*Runner, *recorder) {
	t.Helper()
	rec := &recorder{}
	r := &Runner{
		Config: DeviceConfig{Device: "x", Every: every},
		Driver: Driver{Name: "fake", Open: func(context.Context, DeviceConfig) (any, error) { return open() }},
		Sink:   rec,
		Log:    slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { r.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return r, rec
}

func TestPollKeepsItsIntervalWhateverThePollTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Time
		dev := &fake{poll: func(context.Context) ([]Reading, error) {
			asked = append(asked, time.Now())
			time.Sleep(300 * time.Millisecond) // the wire is slow
			return []Reading{{Channel: "c", Value: Number(1)}}, nil
		}}
		start(t, time.Second, func() (any, error) { return dev, nil })
		time.Sleep(10*time.Second + 500*time.Millisecond)
		synctest.Wait()
		if len(asked) < 10 {
			t.Fatalf("asked %d times in 10 s, want one per second", len(asked))
		}
		for i := 1; i < len(asked); i++ {
			if d := asked[i].Sub(asked[i-1]); d != time.Second {
				t.Errorf("poll %d came %v after the one before, want 1s", i, d)
			}
		}
	})
}

func TestDeadDeviceIsBackedOffAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var polls atomic.Int64
		var alive atomic.Bool
		dev := &fake{poll: func(context.Context) ([]Reading, error) {
			polls.Add(1)
			if !alive.Load() {
				return nil, ErrNoAnswer
			}
			return []Reading{{Channel: "c", Value: Number(1)}}, nil
		}}
		_, rec := start(t, time.Second, func() (any, error) { return dev, nil })
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := polls.Load(); n > 25 {
			t.Errorf("a dead device was asked %d times in 10 minutes; its time-outs cost its neighbours", n)
		}
		alive.Store(true)
		polls.Store(0)
		time.Sleep(maxBackoff + 30*time.Second)
		synctest.Wait()
		if n := polls.Load(); n < 15 {
			t.Errorf("after it came back it was asked %d times in %v, want its interval again", n, maxBackoff+30*time.Second)
		}
		if got := rec.states(); got != "failing ok" {
			t.Errorf("health went %q, want one message per change", got)
		}
	})
}

func TestOneBadChannelDoesNotSlowTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev := &fake{poll: func(context.Context) ([]Reading, error) {
			return []Reading{{Channel: "good", Value: Number(1)}}, errors.New("register 7 refused")
		}}
		r, rec := start(t, time.Second, func() (any, error) { return dev, nil })
		time.Sleep(time.Minute)
		synctest.Wait()
		rec.mu.Lock()
		defer rec.mu.Unlock()
		if n := len(rec.readings); n < 59 {
			t.Errorf("%d readings of the good channel in a minute, want one per second", n)
		}
		if s := r.Health().State; s != Failing {
			t.Errorf("state %q, want failing: a channel is missing", s)
		}
	})
}

func TestAbsentDeviceIsLookedForEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opens atomic.Int64
		var there atomic.Bool
		dev := &fake{poll: func(context.Context) ([]Reading, error) { return nil, nil }}
		r, _ := start(t, time.Second, func() (any, error) {
			opens.Add(1)
			if !there.Load() {
				return nil, fmt.Errorf("/dev/ttyUSB0: %w", ErrAbsent)
			}
			return dev, nil
		})
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := opens.Load(); n < 3500 {
			t.Errorf("opened %d times in an hour, want every second forever", n)
		}
		there.Store(true)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := r.Health().State; got != OK {
			t.Errorf("2 s after it was plugged in its state is %q, want ok", got)
		}
	})
}

func TestStuckDriverIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		dev := &fake{poll: func(context.Context) ([]Reading, error) { <-release; return nil, nil }}
		r, _ := start(t, time.Second, func() (any, error) { return dev, nil })
		time.Sleep(stuckAfter + 5*time.Second)
		synctest.Wait()
		if got := r.Health().State; got != Stuck {
			t.Errorf("state is %q, want stuck", got)
		}
		close(release)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := r.Health().State; got != OK {
			t.Errorf("after it returned the state is %q, want ok", got)
		}
	})
}

func TestLostDeviceIsClosedBeforeItIsOpenedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		start(t, time.Second, func() (any, error) {
			log = append(log, "open")
			return &fake{
				poll:   func(context.Context) ([]Reading, error) { return nil, ErrAbsent },
				closed: func() { log = append(log, "close") },
			}, nil
		})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := strings.Join(log, " "); !strings.HasPrefix(got, "open close open close") {
			t.Errorf("got %q, want open and close in turn", got)
		}
	})
}

func TestCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev := &fake{
			poll: func(context.Context) ([]Reading, error) { return nil, nil },
			command: func(ctx context.Context, c Command) error {
				if string(c.Payload) == "hang" {
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
			},
		}
		r, _ := start(t, time.Second, func() (any, error) { return dev, nil })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		ctx := context.Background()
		if err := r.Command(ctx, Command{Payload: []byte("on")}); err != nil {
			t.Errorf("on: %v, want done", err)
		}
		late := Command{Payload: []byte("on"), Expires: time.Now().Add(-time.Hour)}
		if err := r.Command(ctx, late); !errors.Is(err, ErrRefused) {
			t.Errorf("a command of an hour ago: %v, want refused", err)
		}
		begin := time.Now()
		err := r.Command(ctx, Command{Payload: []byte("hang"), Expires: begin.Add(3 * time.Second)})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 3*time.Second {
			t.Errorf("hang: %v after %v, want a time-out when the command expires", err, time.Since(begin))
		}
	})
}

func TestNumberRefusesWhatIsNoNumber(t *testing.T) {
	zero := 0.0
	for _, f := range []float64{zero / zero, 1 / zero, -1 / zero} {
		if Number(f).Valid() {
			t.Errorf("%v became a value; a failed read must be an error", f)
		}
	}
}

func TestRegistryNamesWhatItHas(t *testing.T) {
	var r Registry
	open := func(context.Context, DeviceConfig) (any, error) { return nil, nil }
	r.Add(Driver{Name: "bme280", Open: open}, Driver{Name: "sim", Open: open})
	_, err := r.Lookup("bme820")
	if want := `unknown driver "bme820" (have bme280, sim)`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Who looks before the first turn of the loop must not see a device without a state.
func TestHealthBeforeRunIsStarting(t *testing.T) {
	if got := (&Runner{}).Health().State; got != Starting {
		t.Errorf("got %q, want %q", got, Starting)
	}
}
