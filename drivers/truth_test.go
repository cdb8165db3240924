package drivers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// watcher is a device that speaks first, as a func that a test writes down.
type watcher func(ctx context.Context, report Report) error

func (w watcher) Watch(ctx context.Context, report Report) error { return w(ctx, report) }

// beat calls f once a second until ctx ends.
func beat(ctx context.Context, f func(n int)) error {
	for n := 0; Sleep(ctx, time.Second); n++ {
		f(n)
	}
	return ctx.Err()
}

// logged is a log that a test reads.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

// startRunner runs r until the test ends. What r lacks is filled in.
func startRunner(t *testing.T, r *Runner, open func() (any, error)) (*recorder, *logged) {
	t.Helper()
	rec, log := &recorder{}, &logged{}
	r.Config.Device, r.Sink, r.Log = "x", rec, slog.New(slog.NewTextHandler(log, nil))
	r.Driver.Open = func(context.Context, DeviceConfig) (any, error) { return open() }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { r.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return rec, log
}

func (r *recorder) published() []Health {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Health(nil), r.health...)
}

func (r *recorder) readingsOf(channel string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rd := range r.readings {
		if rd.Channel == channel {
			n++
		}
	}
	return n
}

// A channel that is always out of range vanished without a word: the next good reading
// of another one made the device "ok" again.
func TestChannelThatIsAlwaysWrongStaysOnTheStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &Runner{}
		rec, log := startRunner(t, r, func() (any, error) {
			return watcher(func(ctx context.Context, report Report) error {
				return beat(ctx, func(n int) {
					report(Reading{Channel: "power", Value: Number(float64(n))}, nil)
					report(Reading{}, fmt.Errorf("modbus unit 1: %w", &ChannelError{"target", fmt.Errorf("%v is %w 5 to 30", float64(n)/10, ErrImplausible)}))
				})
			}), nil
		})
		time.Sleep(time.Hour)
		synctest.Wait()
		h := r.Health()
		if h.State != Degraded || len(h.Channels) != 1 || h.Channels[0].Channel != "target" || h.Channels[0].State != Failing {
			t.Fatalf("after an hour the device is %+v, want degraded with target failing", h)
		}
		if got, want := h.Channels[0].Error, "0 is outside the plausible range 5 to 30"; got != want {
			t.Errorf("the reason is %q, want %q", got, want)
		}
		if h.Channels[0].Repeats < 3000 {
			t.Errorf("%d repeats counted in an hour, want one a second", h.Channels[0].Repeats)
		}
		if n := len(rec.published()); n > 4 {
			t.Errorf("published %d times though nothing but a value changed", n)
		}
		if n := log.count("\n"); n > 3 {
			t.Errorf("%d lines in the log, want one for the fault", n)
		}
	})
}

// A device that answers and has nothing new is well; there is no reading.
func TestReportWithoutAChannelIsAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &Runner{}
		rec, _ := startRunner(t, r, func() (any, error) {
			return watcher(func(ctx context.Context, report Report) error {
				report(Reading{}, errors.New("silent"))
				report(Reading{}, nil)
				<-ctx.Done()
				return ctx.Err()
			}), nil
		})
		time.Sleep(time.Second)
		synctest.Wait()
		if h := r.Health(); h.State != OK || len(rec.readings) != 0 || len(r.Channels()) != 0 {
			t.Errorf("%+v, readings %v, channels %v; want ok and none", h, rec.readings, r.Channels())
		}
	})
}

// A channel that comes and goes is published in its changes, but not with each of them.
func TestChannelThatComesAndGoesIsPublishedEveryTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec, log := startRunner(t, &Runner{}, func() (any, error) {
			return watcher(func(ctx context.Context, report Report) error {
				return beat(ctx, func(n int) {
					report(Reading{Channel: "power", Value: Number(1)}, nil)
					if n%3 == 0 {
						report(Reading{}, &ChannelError{"target", errors.New("refused")})
					} else {
						report(Reading{Channel: "target", Value: Number(1)}, nil)
					}
				})
			}), nil
		})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := len(rec.published()); n < 5 || n > 61 {
			t.Errorf("published %d times in 10 minutes, want at most every 10 s", n)
		}
		if n := log.count("\n"); n > 61 {
			t.Errorf("%d lines in the log in 10 minutes", n)
		}
	})
}

// Another reason is news; the same one with another number is not.
func TestReasonThatChangesIsPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reason atomic.Value
		reason.Store("register 7 refused")
		r := &Runner{Config: DeviceConfig{Every: time.Second}}
		rec, log := startRunner(t, r, func() (any, error) {
			return &fake{poll: func(context.Context) ([]Reading, error) {
				return []Reading{{Channel: "a", Value: Number(1)}}, &ChannelError{"b", errors.New(reason.Load().(string))}
			}}, nil
		})
		time.Sleep(time.Minute)
		before := len(rec.published())
		reason.Store("register 8 refused")
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(rec.published()); n != before {
			t.Errorf("another number in the reason was published %d times", n-before)
		}
		reason.Store(`found "x" where a number should be`)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		all := rec.published()
		if len(all) != before+1 || all[len(all)-1].Channels[0].Error != reason.Load() {
			t.Errorf("the new reason is not published: %+v", all)
		}
		if n := log.count("channel failing"); n != 1 {
			t.Errorf("the new reason is %d times in the log, want once", n)
		}
	})
}

// A device that fails for another reason than before says so.
func TestDeviceThatFailsForAnotherReasonSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var err atomic.Pointer[error]
		first, second := errors.New("checksum wrong"), fmt.Errorf("unit 1: %w", ErrNoAnswer)
		err.Store(&first)
		r := &Runner{Config: DeviceConfig{Every: time.Second}}
		startRunner(t, r, func() (any, error) {
			return &fake{poll: func(context.Context) ([]Reading, error) { return nil, *err.Load() }}, nil
		})
		time.Sleep(30 * time.Second)
		err.Store(&second)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if h := r.Health(); h.State != Failing || h.Error != second.Error() {
			t.Errorf("health is %+v, want the new reason", h)
		}
	})
}

// A channel that the user asked for and that never comes is a fault of its own, after its
// interval or a minute, whichever is longer.
func TestChannelThatNeverCameSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &Runner{
			Config: DeviceConfig{Every: time.Second},
			Expect: []Expectation{{Channel: "power"}, {Channel: "tariff"}, {Channel: "energy", Every: 5 * time.Minute}},
		}
		startRunner(t, r, func() (any, error) {
			return &fake{poll: func(context.Context) ([]Reading, error) {
				return []Reading{{Channel: "power", Value: Number(1)}}, nil
			}}, nil
		})
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if h := r.Health(); h.State != OK {
			t.Errorf("after 50 s: %+v, want ok: they may still come", h)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if h := r.Health(); h.State != Degraded || len(h.Channels) != 1 || h.Channels[0].Channel != "tariff" || !strings.Contains(h.Channels[0].Error, "has not come for 1m0s") {
			t.Errorf("after 80 s: %+v, want tariff to be missing", h)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if h := r.Health(); len(h.Channels) != 2 {
			t.Errorf("after 6 minutes: %+v, want energy to be missing too", h)
		}
	})
}

// What is declared holds for every driver, whether it looks itself or not.
func TestDeclaredRangeHoldsForEveryDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &Runner{Config: DeviceConfig{Every: time.Second}}
		r.Driver.Channels = []Channel{{Name: "temperature", Min: -55, Max: 125}, {Name: "free"}}
		rec, _ := startRunner(t, r, func() (any, error) {
			return &fake{poll: func(context.Context) ([]Reading, error) {
				return []Reading{{Channel: "temperature", Value: Number(127.937)}, {Channel: "free", Value: Number(1e9)}, {Channel: "none"}}, nil
			}}, nil
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := rec.readingsOf("temperature") + rec.readingsOf("none"); n != 0 {
			t.Errorf("%d readings that cannot be right", n)
		}
		if n := rec.readingsOf("free"); n < 59 {
			t.Errorf("%d readings of the channel beside it, want all", n)
		}
		if h := r.Health(); h.State != Degraded || len(h.Channels) != 2 || h.Channels[0].Error != "127.937 is outside the plausible range -55 to 125" {
			t.Errorf("health is %+v", h)
		}
	})
}

// When the device itself is gone, its channels are too, and the status need not list them.
func TestChannelsOfAnAbsentDeviceAreAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		polls := 0
		r := &Runner{Config: DeviceConfig{Every: time.Second}}
		startRunner(t, r, func() (any, error) {
			if polls > 3 {
				return nil, fmt.Errorf("/dev/x: %w", ErrAbsent)
			}
			return &fake{poll: func(context.Context) ([]Reading, error) {
				if polls++; polls > 3 {
					return nil, fmt.Errorf("/dev/x: %w", ErrAbsent)
				}
				return []Reading{{Channel: "a", Value: Number(1)}}, &ChannelError{"b", errors.New("refused")}
			}}, nil
		})
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if h := r.Health(); h.State != Absent || h.Channels != nil {
			t.Errorf("health is %+v, want absent and no list of channels", h)
		}
		for _, c := range r.Channels() {
			if c.State != Absent {
				t.Errorf("channel %s is %s, want absent", c.Channel, c.State)
			}
		}
	})
}

// A panic at any point below a device costs that device one failure, with its stack once
// in the log; it is opened again, less and less often.
func TestPanicCostsTheDeviceAlone(t *testing.T) {
	steady := func(context.Context) ([]Reading, error) { return []Reading{{Channel: "c", Value: Number(1)}}, nil }
	for point, open := range map[string]func() (any, error){
		"open": func() (any, error) { panic("open") },
		"poll": func() (any, error) {
			return &fake{poll: func(context.Context) ([]Reading, error) { panic("poll") }}, nil
		},
		"watch": func() (any, error) {
			return watcher(func(context.Context, Report) error { var none []int; _ = none[len(none)]; return nil }), nil
		},
		"close": func() (any, error) {
			return &fake{poll: func(context.Context) ([]Reading, error) { return nil, ErrAbsent }, closed: func() { panic("close") }}, nil
		},
		"outputs": func() (any, error) { return outputsPanic{}, nil },
		"command": func() (any, error) {
			return &fake{poll: steady, command: func(context.Context, Command) error { panic("command") }}, nil
		},
	} {
		t.Run(point, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var opens atomic.Int64
				r := &Runner{Config: DeviceConfig{Every: time.Second}}
				rec, log := startRunner(t, r, func() (any, error) { opens.Add(1); return open() })
				time.Sleep(15 * time.Second) // what it was is published, and what comes may be at once
				if point == "command" {
					if err := r.Command(t.Context(), Command{Payload: []byte("on")}); !isPanic(err) {
						t.Errorf("the command's result is %v, want that it panicked", err)
					}
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				if n := log.count("stack="); n != 1 {
					t.Errorf("%d stacks in the log, want one", n)
				}
				if !strings.Contains(fmt.Sprint(rec.published()), "failing") && point != "close" {
					t.Errorf("published %v, want a failure", rec.published())
				}
				n := opens.Load()
				switch {
				case point == "command" && (n != 2 || r.Health().State != OK):
					t.Errorf("opened %d times and is %s, want to be opened once more and ok", n, r.Health().State)
				case point != "command" && point != "close" && (n < 30 || n > 120):
					t.Errorf("opened %d times in an hour, want a back-off of up to a minute", n)
				}
			})
		})
	}
}

// outputsPanic is a device that panics when it is asked what it measures.
type outputsPanic struct{}

func (outputsPanic) Poll(context.Context) ([]Reading, error) { return nil, nil }
func (outputsPanic) Outputs() []Channel                      { panic("outputs") }

func TestKindOfAnError(t *testing.T) {
	for a, b := range map[string]string{
		"0.7 is outside the plausible range 5 to 30": "-12.75 is outside the plausible range 5 to 30",
		`found "a", expected 3`:                      `found "bcd", expected 14`,
		"checksum 0x3F, want 0x0a":                   "checksum 0xff, want 0xFE",
	} {
		if kindOf(a) != kindOf(b) {
			t.Errorf("%q and %q are of two kinds: %q, %q", a, b, kindOf(a), kindOf(b))
		}
	}
	if kindOf("no answer") == kindOf("refused") || kindOf("") != "" {
		t.Error("different reasons are of one kind")
	}
}
