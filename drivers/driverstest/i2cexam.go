package driverstest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
)

// I2CExam is the exam of one driver of an I2C chip.
type I2CExam struct {
	// Driver gives the driver on bus, and what has to run beside it: the bus's owner.
	Driver func(bus *I2CBus) (drivers.Driver, func(context.Context) error)
	// Config is what the driver is opened with; Options have to say address Address of
	// bus 1. Store is made anew for each part of the exam.
	Config  func(d drivers.Driver) drivers.DeviceConfig
	Address uint16
	Chip    func() I2CChip // a chip right after power-on, that measures what Want says
	Want    []Want

	// States are further things to measure, the limits of the range among them.
	States []I2CState
	// WrongChip makes the chip another one; the error has to name its id.
	WrongChip func(I2CChip)
	WrongID   string
	// Protected means that every byte the chip sends is under a checksum: one flipped bit
	// anywhere has to be an error, or to leave the readings right.
	Protected bool
	// Polls that a chip needs before it gives readings: gas sensors warm up. Until then
	// it may give an error or nothing.
	Warmup int
	// Every is the pause between two polls, default one second.
	Every time.Duration
}

// I2CState is one thing to measure.
type I2CState struct {
	Name string
	Set  func(I2CChip)
	Want []Want // nil: has to be an error that says Err
	Err  string
}

// Run examines the driver, each part in a bubble of its own.
func (e I2CExam) Run(t *testing.T) {
	if e.Every == 0 {
		e.Every = time.Second
	}
	parts := []struct {
		name string
		f    func(*testing.T, *sitting)
	}{
		{"right", e.right},
		{"no answer", e.noAnswer},
		{"bus reads zeros", func(t *testing.T, s *sitting) { e.stuck(t, s, 0x00) }},
		{"bus reads ones", func(t *testing.T, s *sitting) { e.stuck(t, s, 0xff) }},
		{"adapter hangs", e.hangs},
		{"every transfer fails once", e.eachFails},
		{"power dips at every transfer", e.eachDips},
		{"cancelled at every transfer", e.eachCancelled},
		{"bits flip", e.bitsFlip},
		{"slow", e.slow},
		{"wrong chip", e.wrongChip},
	}
	for _, p := range parts {
		e.sitting(t, p.name, p.f)
	}
	e.RunStates(t)
}

// RunStates examines only what the driver makes of States.
func (e I2CExam) RunStates(t *testing.T) {
	for _, st := range e.States {
		e.sitting(t, st.Name, func(t *testing.T, s *sitting) {
			s.bus.With(func() { st.Set(s.chip) })
			if st.Want != nil {
				rs, err := e.poll(s)
				Check(t, st.Name, rs, err, st.Want)
				return
			}
			rs, err := s.once(s.ctx)
			for range e.Warmup {
				if len(rs) > 0 || err != nil {
					break
				}
				time.Sleep(e.Every)
				rs, err = s.once(s.ctx)
			}
			WantError(t, st.Name, rs, err, st.Err, s.driver.Name, "bus 1", fmt.Sprintf("0x%02x", e.Address))
		})
	}
}

// NoticesReset examines a chip that mostly has nothing to say: that it was reset, and so
// would stay silent for ever, has to be an error.
func (e I2CExam) NoticesReset(t *testing.T) {
	e.sitting(t, "reset", func(t *testing.T, s *sitting) {
		e.poll(s)
		s.bus.With(s.chip.PowerOn)
		rs, err := s.once(s.ctx)
		WantError(t, "after a reset", rs, err, "reset")
		e.again(t, s, "a reset")
	})
}

// Partly examines a chip some of whose channels fail: the others' readings have to come,
// with an error that has these words.
func (e I2CExam) Partly(t *testing.T, want []Want, words ...string) {
	e.sitting(t, "partly", func(t *testing.T, s *sitting) {
		rs, err := e.poll(s)
		Check(t, "the others", rs, nil, want)
		WantError(t, "the rest", nil, err, words...)
	})
}

// sitting runs f in a bubble with a fresh chip on a fresh bus.
func (e I2CExam) sitting(t *testing.T, name string, f func(*testing.T, *sitting)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := e.sit(t)
			f(t, s)
			s.stop()
		})
	})
}

// sitting is one driver on one bus.
type sitting struct {
	t      *testing.T
	ctx    context.Context
	bus    *I2CBus
	chip   I2CChip
	driver drivers.Driver
	site   drivers.DeviceConfig
	dev    drivers.Poller // nil until it could be opened
	stop   func()
}

func (e I2CExam) sit(t *testing.T) *sitting {
	ctx, cancel := context.WithCancel(t.Context())
	s := &sitting{t: t, ctx: ctx, bus: NewI2CBus(), chip: e.Chip()}
	s.bus.Attach(e.Address, s.chip)
	d, run := e.Driver(s.bus)
	s.driver, s.site = d, e.Config(d)
	if s.site.Store == nil {
		s.site.Store = Store{}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run(ctx)
	}()
	s.stop = func() {
		s.close()
		cancel()
		<-ended
	}
	return s
}

// poll opens the device if need be and asks it as often as it needs to warm up.
func (e I2CExam) poll(s *sitting) ([]drivers.Reading, error) {
	for range e.Warmup {
		s.once(s.ctx)
		time.Sleep(e.Every)
	}
	return s.once(s.ctx)
}

// once opens the device if need be, and asks it.
func (s *sitting) once(ctx context.Context) ([]drivers.Reading, error) {
	if s.dev == nil {
		octx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		dev, err := s.driver.Open(octx, s.site)
		if err != nil {
			return nil, err
		}
		s.dev = dev.(drivers.Poller)
	}
	return Poll(ctx, s.dev)
}

func (s *sitting) close() {
	if s.dev != nil {
		Close(s.t, s.dev)
		s.dev = nil
	}
}

// again waits and checks that the readings are right again, at the latest the second
// time: the first may still report what it found out.
func (e I2CExam) again(t *testing.T, s *sitting, after string) {
	t.Helper()
	time.Sleep(e.Every)
	rs, err := s.once(s.ctx)
	for i := 0; i <= e.Warmup && (err != nil || len(rs) < len(e.Want)); i++ {
		NeverWrong(t, "after "+after, rs, e.Want)
		time.Sleep(e.Every)
		rs, err = s.once(s.ctx)
	}
	Check(t, "after "+after, rs, err, e.Want)
}

func (e I2CExam) right(t *testing.T, s *sitting) {
	rs, err := e.poll(s)
	Check(t, "first poll", rs, err, e.Want)
	for _, r := range rs {
		if r.Time.IsZero() {
			t.Errorf("%s has no time", r.Channel)
		}
	}
	e.again(t, s, "the first poll")
}

func (e I2CExam) noAnswer(t *testing.T, s *sitting) {
	place := fmt.Sprintf("0x%02x", e.Address)
	s.bus.Unplug(true)
	rs, err := s.once(s.ctx)
	WantError(t, "not wired", rs, err, s.driver.Name, "bus 1", place)
	if !errors.Is(err, drivers.ErrNoAnswer) {
		t.Errorf("not wired: %v is not ErrNoAnswer", err)
	}
	s.bus.Unplug(false)
	e.again(t, s, "plugged in")
	s.bus.Unplug(true)
	rs, err = s.once(s.ctx)
	WantError(t, "unplugged", rs, err, s.driver.Name, "bus 1", place)
	s.bus.Unplug(false)
	s.bus.With(s.chip.PowerOn)
	e.again(t, s, "plugged in again")
}

// stuck holds the data line, first before the device is opened, then while it is open.
func (e I2CExam) stuck(t *testing.T, s *sitting, v int) {
	s.bus.Stick(v)
	rs, err := s.once(s.ctx)
	WantError(t, "stuck from the start", rs, err)
	s.bus.Stick(-1)
	e.again(t, s, "the line was let go")
	s.bus.Stick(v)
	rs, err = s.once(s.ctx)
	WantError(t, "stuck while open", rs, err)
	s.bus.Stick(-1)
	e.again(t, s, "the line was let go again")
}

func (e I2CExam) hangs(t *testing.T, s *sitting) {
	e.poll(s)
	s.bus.Fail(syscall.ETIMEDOUT)
	rs, err := s.once(s.ctx)
	WantError(t, "bus timed out", rs, err, "bus 1")
	s.bus.Fail(0)
	e.again(t, s, "the bus timed out")
}

// count tells how many transfers one poll of an open device takes.
func (e I2CExam) count(t *testing.T, s *sitting) int {
	t.Helper()
	e.poll(s)
	time.Sleep(e.Every)
	s.bus.Hook(nil)
	rs, err := s.once(s.ctx)
	Check(t, "undisturbed", rs, err, e.Want)
	return s.bus.Seen()
}

// transfers numbers those of one poll. A short test takes some eight of many.
func (e I2CExam) transfers(t *testing.T, s *sitting) iter.Seq[int] {
	n, step := e.count(t, s), 1
	if testing.Short() {
		step = max(n/8, 1)
	}
	return func(yield func(int) bool) {
		for i := 0; i < n && yield(i); i += step {
		}
	}
}

// disturb polls once per transfer of a poll, with what happens at transfer number i.
func (e I2CExam) disturb(t *testing.T, s *sitting, what string, happen func(i int) (end func())) {
	for i := range e.transfers(t, s) {
		when := fmt.Sprintf("%s at transfer %d", what, i)
		end := func() {}
		s.bus.Hook(func(n int) {
			if n == i {
				end = happen(i)
			} else if n == i+1 {
				end()
				end = func() {}
			}
		})
		rs, _ := s.once(s.ctx)
		s.bus.Hook(nil)
		end()
		NeverWrong(t, when, rs, e.Want)
		e.again(t, s, when)
	}
}

func (e I2CExam) eachFails(t *testing.T, s *sitting) {
	e.disturb(t, s, "no answer", func(int) func() {
		s.bus.Unplug(true)
		return func() { s.bus.Unplug(false) }
	})
}

func (e I2CExam) eachDips(t *testing.T, s *sitting) {
	e.disturb(t, s, "power dip", func(int) func() {
		s.bus.With(s.chip.PowerOn)
		return func() {}
	})
}

func (e I2CExam) eachCancelled(t *testing.T, s *sitting) {
	for i := range e.transfers(t, s) {
		ctx, cancel := context.WithCancel(s.ctx)
		s.bus.Hook(func(n int) {
			if n == i {
				cancel()
			}
		})
		start := time.Now()
		rs, err := s.once(ctx)
		s.bus.Hook(nil)
		cancel()
		when := fmt.Sprintf("cancelled at transfer %d", i)
		NeverWrong(t, when, rs, e.Want)
		if took := time.Since(start); took > e.Every {
			t.Errorf("%s: returned after %v", when, took)
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", when, err)
		}
		e.again(t, s, when)
	}
}

// bitsFlip turns one bit of each byte that is read.
func (e I2CExam) bitsFlip(t *testing.T, s *sitting) {
	if !e.Protected {
		t.Skip("the chip sends no checksum")
	}
	for i := range e.transfers(t, s) {
		for at, more := 0, true; more; at++ {
			more = false
			s.bus.Flip(func(n int, r []byte) {
				if n == i && at < len(r) {
					r[at] ^= 1 << (at % 8)
					more = true
				}
			})
			rs, _ := s.once(s.ctx)
			s.bus.Flip(nil)
			when := fmt.Sprintf("bit flipped in byte %d of transfer %d", at, i)
			NeverWrong(t, when, rs, e.Want)
			if more {
				e.again(t, s, when)
			}
		}
	}
}

// slow has conversions take 10 % longer, which an oscillator may, and then for ever.
func (e I2CExam) slow(t *testing.T, s *sitting) {
	slower, ok := s.chip.(Slower)
	if !ok {
		t.Skip("the chip does not wait for conversions")
	}
	s.bus.With(func() { slower.Slow(1.1) })
	rs, err := e.poll(s)
	Check(t, "10 % slower", rs, err, e.Want)
	s.bus.With(func() { slower.Slow(1e6) })
	rs, _ = s.once(s.ctx)
	NeverWrong(t, "the chip never gets done", rs, e.Want)
	s.bus.With(func() { slower.Slow(1); s.chip.PowerOn() })
	e.again(t, s, "the chip was slow")
}

func (e I2CExam) wrongChip(t *testing.T, s *sitting) {
	if e.WrongChip == nil {
		t.Skip("the chip has no id")
	}
	s.bus.With(func() { e.WrongChip(s.chip) })
	rs, err := s.once(s.ctx)
	WantError(t, "another chip at the address", rs, err, e.WrongID)
}
