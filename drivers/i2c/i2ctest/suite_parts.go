package i2ctest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
)

func (s Suite) right(t *testing.T, r *run) {
	rs, err := r.poll()
	driverstest.Check(t, "first poll", rs, err, s.Want)
	for _, one := range rs {
		if one.Time.IsZero() {
			t.Errorf("%s has no time", one.Channel)
		}
	}
	r.recovers("the first poll")
}

func (s Suite) noAnswer(t *testing.T, r *run) {
	place := fmt.Sprintf("0x%02x", s.Address)
	r.bus.Unplug(true)
	rs, err := r.once(r.ctx)
	driverstest.WantError(t, "not wired", rs, err, r.driver.Name, "bus 1", place)
	if !errors.Is(err, drivers.ErrNoAnswer) {
		t.Errorf("not wired: %v is not ErrNoAnswer", err)
	}
	r.bus.Unplug(false)
	r.recovers("plugged in")
	r.bus.Unplug(true)
	rs, err = r.once(r.ctx)
	driverstest.WantError(t, "unplugged", rs, err, r.driver.Name, "bus 1", place)
	r.bus.Unplug(false)
	r.bus.With(r.chip.PowerOn)
	r.recovers("plugged in again")
}

// stuck holds the data line, first before the device is opened, then while it is open.
func (s Suite) stuck(t *testing.T, r *run, v int) {
	r.bus.Stick(v)
	rs, err := r.once(r.ctx)
	driverstest.WantError(t, "stuck from the start", rs, err)
	r.bus.Stick(-1)
	r.recovers("the line was released")
	r.bus.Stick(v)
	rs, err = r.once(r.ctx)
	driverstest.WantError(t, "stuck while open", rs, err)
	r.bus.Stick(-1)
	r.recovers("the line was released again")
}

func (s Suite) hangs(t *testing.T, r *run) {
	r.poll()
	r.bus.Fail(syscall.ETIMEDOUT)
	rs, err := r.once(r.ctx)
	driverstest.WantError(t, "bus timed out", rs, err, "bus 1")
	r.bus.Fail(0)
	r.recovers("the bus timed out")
}

// count returns how many transfers one poll of an open device takes.
func (s Suite) count(t *testing.T, r *run) int {
	t.Helper()
	r.poll()
	r.wait()
	r.bus.Hook(nil)
	rs, err := r.once(r.ctx)
	driverstest.Check(t, "undisturbed", rs, err, s.Want)
	return r.bus.Seen()
}

// transfers numbers those of one poll. A short test takes some eight of many.
func (s Suite) transfers(t *testing.T, r *run) iter.Seq[int] {
	n, step := s.count(t, r), 1
	if testing.Short() {
		step = max(n/8, 1)
	}
	return func(yield func(int) bool) {
		for i := 0; i < n && yield(i); i += step {
		}
	}
}

// disturb polls once per transfer of a poll, with what happens at transfer number i.
func (s Suite) disturb(t *testing.T, r *run, what string, happen func(i int) (end func())) {
	for i := range s.transfers(t, r) {
		when := fmt.Sprintf("%s at transfer %d", what, i)
		end := func() {}
		r.bus.Hook(func(n int) {
			if n == i {
				end = happen(i)
			} else if n == i+1 {
				end()
				end = func() {}
			}
		})
		rs, _ := r.once(r.ctx)
		r.bus.Hook(nil)
		end()
		driverstest.NeverWrong(t, when, rs, s.Want)
		r.recovers(when)
	}
}

func (s Suite) eachFails(t *testing.T, r *run) {
	s.disturb(t, r, "no answer", func(int) func() {
		r.bus.Unplug(true)
		return func() { r.bus.Unplug(false) }
	})
}

func (s Suite) eachDips(t *testing.T, r *run) {
	s.disturb(t, r, "power dip", func(int) func() {
		r.bus.With(r.chip.PowerOn)
		return func() {}
	})
}

func (s Suite) eachCancelled(t *testing.T, r *run) {
	for i := range s.transfers(t, r) {
		ctx, cancel := context.WithCancel(r.ctx)
		r.bus.Hook(func(n int) {
			if n == i {
				cancel()
			}
		})
		start := time.Now()
		rs, err := r.once(ctx)
		r.bus.Hook(nil)
		cancel()
		when := fmt.Sprintf("cancelled at transfer %d", i)
		driverstest.NeverWrong(t, when, rs, s.Want)
		if took := time.Since(start); took > r.suite.Every {
			t.Errorf("%s: returned after %v", when, took)
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", when, err)
		}
		r.recovers(when)
	}
}

// bitsFlip turns one bit of each byte that is read.
func (s Suite) bitsFlip(t *testing.T, r *run) {
	if !s.Protected {
		t.Skip("the chip sends no checksum")
	}
	for i := range s.transfers(t, r) {
		for at, more := 0, true; more; at++ {
			more = false
			r.bus.Flip(func(n int, read []byte) {
				if n == i && at < len(read) {
					read[at] ^= 1 << (at % 8)
					more = true
				}
			})
			rs, _ := r.once(r.ctx)
			r.bus.Flip(nil)
			when := fmt.Sprintf("bit flipped in byte %d of transfer %d", at, i)
			driverstest.NeverWrong(t, when, rs, s.Want)
			if more {
				r.recovers(when)
			}
		}
	}
}

// slow has conversions take 10 % longer, which an oscillator may, and then forever.
func (s Suite) slow(t *testing.T, r *run) {
	slower, ok := r.chip.(Slower)
	if !ok {
		t.Skip("the chip does not wait for conversions")
	}
	r.bus.With(func() { slower.Slow(1.1) })
	rs, err := r.poll()
	driverstest.Check(t, "10 % slower", rs, err, s.Want)
	r.bus.With(func() { slower.Slow(1e6) })
	rs, _ = r.once(r.ctx)
	driverstest.NeverWrong(t, "the chip never gets done", rs, s.Want)
	r.bus.With(func() { slower.Slow(1); r.chip.PowerOn() })
	r.recovers("the chip was slow")
}

func (s Suite) wrongChip(t *testing.T, r *run) {
	if s.WrongChip == nil {
		t.Skip("the chip has no id")
	}
	r.bus.With(func() { s.WrongChip(r.chip) })
	rs, err := r.once(r.ctx)
	driverstest.WantError(t, "another chip at the address", rs, err, s.WrongID)
}

// leftovers is how many states another program leaves behind, in one run of the suite.
const leftovers = 60

// left opens the device on a chip that another program has used: whatever that left in
// the mode registers, what is published is right, and it is there at the second poll.
func (s Suite) left(t *testing.T, r *run) {
	if _, ok := r.chip.(Leaver); !ok {
		t.Fatal("the simulator has no method Leave (try: Registers.Modes, or a method of its own that does nothing)")
	}
	if s.AsFound != "" {
		t.Skip(s.AsFound)
	}
	n := uint64(leftovers)
	if testing.Short() {
		n /= 6
	}
	for seed := range n {
		r.close()
		chip := s.Chip()
		r.bus.Attach(s.Address, chip)
		rnd := rand.New(rand.NewPCG(seed, uint64(s.Address)))
		r.bus.With(func() { chip.(Leaver).Leave(rnd) })
		time.Sleep(time.Duration(rnd.Int64N(int64(2 * time.Second))))
		when := fmt.Sprintf("another program left state %d", seed)
		rs, _ := r.once(r.ctx)
		driverstest.NeverWrong(t, when, rs, s.Want)
		r.recovers(when)
	}
}
