package drivers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// An adapter with a loose contact came and went in each second: three messages at once, and
// then one every ten seconds.
func TestDeviceThatComesAndGoesIsPublishedEveryTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		n := 0
		r := &Runner{Config: DeviceConfig{Every: time.Second}}
		rec, _ := startRunner(t, r, func() (any, error) {
			return &fake{poll: func(context.Context) ([]Reading, error) {
				if n++; n%3 == 0 {
					return nil, errors.New("checksum wrong")
				}
				return []Reading{{Channel: "a", Value: Number(1)}}, nil
			}}, nil
		})
		for seen, end := 0, time.Now().Add(10*time.Minute); time.Now().Before(end); {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			if now := len(rec.published()); now > seen {
				seen, at = now, append(at, time.Now())
			}
		}
		if len(at) < 10 {
			t.Errorf("published %d times in 10 minutes", len(at))
		}
		for i := 1; i < len(at); i++ {
			if gap := at[i].Sub(at[i-1]); gap < announceEvery-100*time.Millisecond {
				t.Errorf("message %d came %v after the one before, want 10 s or more", i+1, gap)
			}
		}
	})
}

// A device that has nothing to tell in ten seconds is said to be starting; one that has
// is published once, as what it is.
func TestStartingIsPublishedOnlyIfItLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec, _ := startRunner(t, &Runner{}, func() (any, error) {
			return watcher(func(ctx context.Context, report Report) error {
				Sleep(ctx, 25*time.Second)
				report(Reading{Channel: "a", Value: Number(1)}, nil)
				<-ctx.Done()
				return ctx.Err()
			}), nil
		})
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if got := rec.states(); got != "starting" {
			t.Errorf("after 11 s the states are %q, want starting", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := rec.states(); got != "starting ok" {
			t.Errorf("after that they are %q", got)
		}
	})
}

// A device that says which channels it does not have is well: such a channel is missing at
// once, with its reason, and nothing counts as an error.
func TestChannelOfAnotherVariantIsMissingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &Runner{
			Config: DeviceConfig{Every: time.Second},
			Expect: []Expectation{{Channel: "power", Listed: true}, {Channel: "gas", Listed: true}},
		}
		_, log := startRunner(t, r, func() (any, error) {
			return &fake{poll: func(context.Context) ([]Reading, error) {
				return []Reading{{Channel: "power", Value: Number(1)}}, &ChannelError{Channel: "gas", Err: fmt.Errorf("%w: it is a 390", ErrMissing)}
			}}, nil
		})
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		h := r.Health()
		if h.State != OK || len(h.Channels) != 1 || h.Channels[0].State != Missing || !strings.Contains(h.Channels[0].Error, "it is a 390") {
			t.Errorf("%+v, want ok with gas missing and why", h)
		}
		if log.count("WARN") != 0 {
			t.Errorf("the log says %q, want no warning", log.text.String())
		}
	})
}

// A model lists what a meter may have. What this one does not have is said on the status,
// and does not make the device degraded forever.
func TestChannelThatTheDeviceDoesNotHaveIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &Runner{
			Config: DeviceConfig{Every: time.Second},
			Expect: []Expectation{{Channel: "power", Listed: true}, {Channel: "gas", Listed: true}, {Channel: "water", Every: time.Hour, Listed: true}},
		}
		var comes atomic.Bool
		rec, log := startRunner(t, r, func() (any, error) {
			return &fake{poll: func(context.Context) ([]Reading, error) {
				rs := []Reading{{Channel: "power", Value: Number(1)}}
				if comes.Load() {
					rs = append(rs, Reading{Channel: "gas", Value: Number(2)})
				}
				return rs, nil
			}}, nil
		})
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if h := r.Health(); h.State != OK || len(h.Channels) != 0 {
			t.Errorf("after 50 s: %+v, want ok: it may still come", h)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		h := r.Health()
		if h.State != OK || len(h.Channels) != 1 || h.Channels[0].Channel != "gas" || h.Channels[0].State != Missing ||
			!strings.Contains(h.Channels[0].Error, "has not come for 1m0s") || !strings.Contains(h.Channels[0].Error, "may not have it") {
			t.Errorf("after 80 s: %+v, want ok with gas missing", h)
		}
		if all := rec.published(); len(all) != 2 || len(all[1].Channels) != 1 {
			t.Errorf("published %+v, want that gas is missing", all)
		}
		if log.count("channel missing") != 1 || log.count("WARN") != 0 {
			t.Errorf("the log says %q, want one line, no warning", log.text.String())
		}
		comes.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if h := r.Health(); h.State != OK || len(h.Channels) != 0 {
			t.Errorf("when it came: %+v, want ok", h)
		}
	})
}

// All that came of a device is wrong: it fails, even if channels that it may not have are
// not known to be.
func TestDeviceWhoseEveryChannelIsWrongFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &Runner{Config: DeviceConfig{Every: time.Second}, Expect: []Expectation{{Channel: "power", Listed: true}, {Channel: "gas", Listed: true}}}
		startRunner(t, r, func() (any, error) {
			return &fake{poll: func(context.Context) ([]Reading, error) {
				return nil, &ChannelError{"power", errors.New("refused")}
			}}, nil
		})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if h := r.Health(); h.State != Failing || len(h.Channels) != 2 {
			t.Errorf("%+v, want failing, with both channels", h)
		}
	})
}

// A device that is asked, does not complain and never has a value was "starting" forever.
func TestAskedDeviceWithoutAnyValueFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, asked := range []bool{true, false} {
			r := &Runner{Config: DeviceConfig{Every: time.Second}, Expect: []Expectation{{Channel: "power"}}}
			if asked {
				r.Driver.Every = time.Second
			}
			startRunner(t, r, func() (any, error) {
				return watcher(func(ctx context.Context, _ Report) error { <-ctx.Done(); return ctx.Err() }), nil
			})
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			h := r.Health()
			if asked && (h.State != Failing || !strings.Contains(h.Error, "nothing has come for 1m0s")) || !asked && h.State != Starting {
				t.Errorf("asked %t: %+v", asked, h)
			}
		}
	})
}

// What came and went within ten seconds is logged as what it was: a channel that was missing
// for a moment had the log say that the device, which had been well all the time, "was ok in
// between", and one that failed for two reasons that it had come to fail.
func TestWhatCameAndWentIsLoggedAsWhatItWas(t *testing.T) {
	missing := []ChannelHealth{{Channel: "gas", State: Missing, Error: "has not come"}}
	for _, c := range []struct {
		is, passes Health
		want       string // in the log, "" for nothing
	}{
		{Health{State: OK}, Health{State: OK, Channels: missing}, ""},
		{Health{State: OK}, Health{State: Failing, Error: "no answer"}, `"device was failing in between" err="no answer"`},
		{Health{State: Failing, Error: "no answer"}, Health{State: Failing, Error: "checksum"}, `"device was failing for another reason in between" err=checksum`},
	} {
		synctest.Test(t, func(t *testing.T) {
			rec, log := &recorder{}, &logged{}
			now := c.is
			a := &announcer{device: "x", sink: rec, log: slog.New(slog.NewTextHandler(log, nil)), now: func() Health { return now }}
			a.news()
			time.Sleep(time.Second)
			synctest.Wait()
			before := len(log.text.String())
			now = c.passes
			a.news()
			now = c.is
			a.news()
			time.Sleep(20 * time.Second)
			synctest.Wait()
			if got := log.text.String()[before:]; (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("%+v and back: logged %q, want %q", c.passes, got, c.want)
			}
		})
	}
}
