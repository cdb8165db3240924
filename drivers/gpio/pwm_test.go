package gpio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
)

// fakePWM keeps the rules of drivers/pwm/sysfs.c: a channel is there after export and
// belongs to root until udev has run; the duty may not exceed the period; polarity
// changes only while it is off; a period of 0 takes nothing.
type fakePWM struct {
	channels         int
	mu               sync.Mutex // guards what follows: tests change it under the device's hands
	exported         time.Time
	period, duty     int
	enabled, inverse bool
	keepsPolarity    bool // a driver without the way to change it
	log              []string
}

const udevTakes = 50 * time.Millisecond

func (f *fakePWM) Read(path string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch filepath.Base(path) {
	case "npwm":
		if f.channels == 0 {
			return "", fs.ErrNotExist
		}
		return strconv.Itoa(f.channels), nil
	}
	if f.exported.IsZero() {
		return "", fs.ErrNotExist
	}
	value, ok := map[string]string{"duty_cycle": strconv.Itoa(f.duty), "period": strconv.Itoa(f.period),
		"polarity": map[bool]string{true: "inversed", false: "normal"}[f.inverse], "enable": map[bool]string{true: "1", false: "0"}[f.enabled]}[filepath.Base(path)]
	if !ok {
		return "", fs.ErrNotExist
	}
	return value, nil
}

// set changes what the kernel shows.
func (f *fakePWM) set(change func(*fakePWM)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fakePWM) Write(path, value string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	attr := filepath.Base(path)
	if attr == "export" {
		f.exported = time.Now()
		return nil
	}
	if f.exported.IsZero() {
		return fs.ErrNotExist
	}
	if time.Since(f.exported) < udevTakes {
		return fs.ErrPermission
	}
	einval := errors.New("invalid argument")
	n, _ := strconv.Atoi(value)
	switch attr {
	case "period":
		if n < f.duty || n == 0 {
			return einval
		}
		f.period = n
	case "duty_cycle":
		if n > f.period || f.period == 0 {
			return einval
		}
		f.duty = n
	case "polarity":
		if f.enabled {
			return errors.New("device or resource busy")
		}
		if f.keepsPolarity {
			return einval
		}
		f.inverse = value == "inversed"
	case "enable":
		if value == "1" && f.period == 0 {
			return einval
		}
		f.enabled = value == "1"
	}
	if f.enabled {
		f.log = append(f.log, fmt.Sprintf("%d/%d", f.duty, f.period))
	}
	return nil
}

type sink struct{ said, faults []string }

func (s *sink) Readings(rs []drivers.Reading) {
	for _, r := range rs {
		s.said = append(s.said, r.Value.String())
	}
}

func (s *sink) Health(_ string, h drivers.Health) {
	if h.Error != "" {
		s.faults = append(s.faults, h.Error)
	}
}

func runPWM(t *testing.T, f *fakePWM, o *pwmOptions) (*drivers.Runner, *sink, func()) {
	c := NewChipsOn(nil, slog.New(slog.NewTextHandler(io.Discard, nil)))
	c.pwm = f
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	s := &sink{}
	r := &drivers.Runner{Config: drivers.DeviceConfig{Device: "fan", Options: o}, Driver: pwmDriver(c), Sink: s, Log: c.log}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	time.Sleep(time.Second)
	synctest.Wait()
	return r, s, func() { cancel(); <-done }
}

func TestPWMFollowsTheKernelsRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakePWM{channels: 2}
		exit := 100.0
		r, s, stop := runPWM(t, f, &pwmOptions{PWM: PWMRef{"pwmchip0", 1}, Frequency: 25_000, Invert: true, Start: 30, Exit: &exit,
			Failsafe: &PWMFailsafe{After: time.Minute, Duty: 80}})
		if !f.enabled || !f.inverse || f.duty != 12_000 || f.period != 40_000 {
			t.Errorf("at start: %+v (faults %v)", f, s.faults)
		}
		command := func(p string) error {
			return r.Command(t.Context(), drivers.Command{Channel: "duty", Payload: []byte(p)})
		}
		for _, p := range []string{"50", "0", "12.5 %", "100"} {
			if err := command(p); err != nil {
				t.Errorf("%q: %v", p, err)
			}
			synctest.Wait()
		}
		for _, p := range []string{"101", "-1", "NaN", "on", ""} {
			if err := command(p); !errors.Is(err, drivers.ErrRefused) {
				t.Errorf("%q gave %v", p, err)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got, want := strings.Join(s.said, " "), "30 50 0 12.5 100 80"; got != want {
			t.Errorf("said %s, want %s", got, want)
		}
		stop()
		if want := "12000/40000 20000/40000 0/40000 5000/40000 40000/40000 32000/40000 40000/40000"; strings.Join(f.log, " ") != want {
			t.Errorf("the wire saw %v, want %s", f.log, want)
		}
	})
}

func TestPWMOfAnEarlierRunIsTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakePWM{channels: 1, exported: time.Now().Add(-time.Hour), period: 1_000_000, duty: 900_000, enabled: true}
		_, s, stop := runPWM(t, f, &pwmOptions{PWM: PWMRef{"pwmchip0", 0}, Frequency: 25_000})
		if f.period != 40_000 || f.duty != 0 || len(s.faults) > 0 {
			t.Errorf("got %+v, faults %v", f, s.faults)
		}
		stop()
	})
}

func TestPWMThatIsNotThere(t *testing.T) {
	for _, c := range []struct {
		channels int
		want     string
	}{{0, "not there: no /sys/class/pwm/pwmchip0"}, {1, "the chip has channels 0 to 0"}} {
		synctest.Test(t, func(t *testing.T) {
			_, s, stop := runPWM(t, &fakePWM{channels: c.channels}, &pwmOptions{PWM: PWMRef{"pwmchip0", 1}, Frequency: 1000})
			if len(s.faults) == 0 || !strings.Contains(s.faults[0], c.want) {
				t.Errorf("faults %v, want %s", s.faults, c.want)
			}
			stop()
		})
	}
}

// An earlier program left it inverted, and the chip cannot change that while we are: the
// fan would stand still at 100 %.
func TestPWMThatStaysInvertedIsAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakePWM{channels: 1, exported: time.Now().Add(-time.Hour), period: 40_000, inverse: true, keepsPolarity: true}
		_, s, stop := runPWM(t, f, &pwmOptions{PWM: PWMRef{"pwmchip0", 0}, Frequency: 25_000, Start: 30})
		if len(s.said) > 0 || len(s.faults) == 0 || !strings.Contains(s.faults[0], "polarity is inversed") {
			t.Errorf("reported %v, faults %v; want the polarity as a fault", s.said, s.faults)
		}
		stop()
	})
}

func TestPWMThatSomethingElseSetsIsAFault(t *testing.T) {
	for what, change := range map[string]func(*fakePWM){
		"duty_cycle is 0, not 12000": func(f *fakePWM) { f.duty = 0 },
		"enable is 0, not 1":         func(f *fakePWM) { f.enabled = false },
		"period is 50000, not 40000": func(f *fakePWM) { f.period = 50_000 },
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &fakePWM{channels: 1}
			r, s, stop := runPWM(t, f, &pwmOptions{PWM: PWMRef{"pwmchip0", 0}, Frequency: 25_000, Start: 30})
			f.set(change)
			time.Sleep(2 * verifyEvery)
			synctest.Wait()
			if len(s.faults) != 1 || !strings.Contains(s.faults[0], what) || r.Health().State != drivers.Failing {
				t.Errorf("faults %v, want that %s", s.faults, what)
			}
			f.set(func(f *fakePWM) { f.duty, f.enabled, f.period = 12_000, true, 40_000 })
			time.Sleep(2 * verifyEvery)
			synctest.Wait()
			if got := strings.Join(s.said, " "); got != "30 30" || r.Health().State != drivers.OK {
				t.Errorf("said %s, state %s; want the duty again when it is right again", got, r.Health().State)
			}
			stop()
		})
	}
}
