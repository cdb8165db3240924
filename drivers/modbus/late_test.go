package modbus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
)

// queueingSlave is one unit that stalls now and then, and then answers everything that
// was asked meanwhile, in order, as devices with a receive buffer do.
type queueingSlave struct {
	unit  *slave
	far   net.Conn
	stall func(request int) time.Duration // before the answer to the nth request
	lose  func(request int) bool          // it never answers
	heard func(function byte)             // called for each request
	asked chan []byte
	mu    sync.Mutex // guards unit and what the funcs use
}

// serve answers until the far end is closed.
func (q *queueingSlave) serve(done *sync.WaitGroup) {
	q.asked = make(chan []byte, 1000)
	done.Go(func() {
		defer close(q.asked)
		buf := make([]byte, 512)
		for {
			n, err := q.far.Read(buf)
			if err != nil {
				return
			}
			q.asked <- bytes.Clone(buf[:n])
		}
	})
	done.Go(func() {
		for n := 0; ; n++ {
			frame, ok := <-q.asked
			if !ok {
				return
			}
			var stall time.Duration
			q.set(func() {
				stall = q.stall(n)
				if q.heard != nil {
					q.heard(frame[1])
				}
			})
			time.Sleep(stall + 5*time.Millisecond)
			var answer []byte
			q.set(func() {
				if q.lose == nil || !q.lose(n) {
					answer = seal(frame[0], q.unit.respond(frame[1:len(frame)-2]))
				}
			})
			q.far.Write(answer)
		}
	})
}

// set changes the unit while it runs.
func (q *queueingSlave) set(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	f()
}

// lateBus is a bus whose far end is a queueingSlave with its own address in every register.
func lateBus(q *queueingSlave) (b *serial.Bus, stop func()) {
	near, far := net.Pipe()
	q.far = far
	q.unit.holding, q.unit.input = map[uint16]uint16{}, map[uint16]uint16{}
	for i := range uint16(1000) {
		q.unit.holding[i], q.unit.input[i] = i, i
	}
	b = serial.NewBusOver("wire", serial.PortOptions{}, func(context.Context) (net.Conn, error) { return near, nil }, quiet())
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	q.serve(&done)
	done.Go(func() { b.Run(ctx) })
	return b, func() { cancel(); far.Close(); done.Wait() }
}

// watchRegisters reads holding registers of u16 at the places in channels, called r and
// their place, and reports wrong values; it returns how many readings each has.
func watchRegisters(t *testing.T, b *serial.Bus, every, d time.Duration, places ...int) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	config := drivers.DeviceConfig{Options: &Options{Wire: serial.Wire{Bus: "wire"}, Unit: 1, Timeout: 500 * time.Millisecond}, Every: every}
	for _, at := range places {
		config.Channels = append(config.Channels, drivers.ChannelConfig{Name: fmt.Sprint("r", at), Options: &Channel{Holding: ptr(at)}})
	}
	dev, err := Drivers(serial.Only(b), quiet())[0].Open(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	got, wrong := map[string]int{}, 0
	dev.(drivers.Watcher).Watch(ctx, func(r drivers.Reading, err error) {
		if err == nil {
			got[r.Channel]++
			if want := r.Channel[1:]; r.Value.String() != want {
				if wrong++; wrong < 4 {
					t.Errorf("register %s reads as %s: it took the late answer to another question", want, r.Value)
				}
			}
		}
	})
	return got
}

// A slave that stalls for longer than two time-outs and then answers all that it was
// asked: the answer to register 0 was published as register 300's, with status ok.
func TestAnAnswerLaterThanTwoTimeoutsIsNobodyElses(t *testing.T) {
	for _, stall := range []time.Duration{600 * time.Millisecond, 1100 * time.Millisecond, 1300 * time.Millisecond, 1700 * time.Millisecond, 2600 * time.Millisecond, 7 * time.Second} {
		t.Run(stall.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, stop := lateBus(&queueingSlave{unit: &slave{}, stall: func(n int) time.Duration {
					if n%20 == 10 {
						return stall
					}
					return 0
				}})
				got := watchRegisters(t, b, 200*time.Millisecond, 5*time.Minute, 0, 300)
				stop()
				for _, channel := range []string{"r0", "r300"} {
					if got[channel] < 100 {
						t.Errorf("%s: %d readings in 5 minutes of a device that stalls for %v now and then", channel, got[channel], stall)
					}
				}
			})
		})
	}
}

// Whatever the stalls, the losses and the lengths of the blocks.
func TestLateAnswersOfAnyKindAreNobodyElses(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 7))
				var places []int
				for at, n := 0, 2+r.IntN(3); n > 0; n-- {
					for i := range 1 + r.IntN(2) {
						places = append(places, at+i)
					}
					at += 100
				}
				u := &slave{}
				if seed%3 == 0 {
					u.maxRead = 2 // asks for more are refused
				}
				b, stop := lateBus(&queueingSlave{unit: u,
					stall: func(int) time.Duration {
						if r.IntN(6) > 0 {
							return 0
						}
						return time.Duration(r.IntN(4000)) * time.Millisecond
					},
					lose: func(int) bool { return r.IntN(12) == 0 },
				})
				got := watchRegisters(t, b, time.Duration(100+r.IntN(900))*time.Millisecond, 20*time.Minute, places...)
				stop()
				for _, at := range places {
					if n := got[fmt.Sprint("r", at)]; n < 50 {
						t.Errorf("register %d: %d readings in 20 minutes", at, n)
					}
				}
			})
		})
	}
}

// A command is done when its own read-back says so, not a late one's.
func TestALateReadBackIsNotTakenForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stalled := false
		q := &queueingSlave{unit: &slave{}}
		q.stall = func(n int) time.Duration {
			if n == 1 { // the read-back of the first command
				stalled = true
				return 2 * time.Second
			}
			return 0
		}
		b, stop := lateBus(q)
		defer stop()
		config := drivers.DeviceConfig{Options: &Options{Wire: serial.Wire{Bus: "wire"}, Unit: 1, Timeout: 500 * time.Millisecond}, Every: time.Hour,
			Channels: []drivers.ChannelConfig{{Name: "target", Options: &Channel{Holding: ptr(5), Write: true}}}}
		dev, err := Drivers(serial.Only(b), quiet())[0].Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		command := func(payload string) error {
			return dev.(drivers.Commander).Command(t.Context(), drivers.Command{Channel: "target", Payload: []byte(payload)})
		}
		err = command("10")
		q.set(func() {
			if !errors.Is(err, drivers.ErrNoAnswer) || !stalled {
				t.Errorf("the device stalls: got %v, want no answer", err)
			}
		})
		time.Sleep(1200 * time.Millisecond)
		// The late read-back is 10. Taken for this command's it would be a refusal.
		if err := command("20"); errors.Is(err, drivers.ErrRefused) {
			t.Errorf("20: got %v: the read-back of the command before was taken for this one's", err)
		}
	})
}

// Some devices answer nothing for a while after a connection was made.
func TestSettleAfterTheConnectionWasMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first time.Duration
		start := time.Now()
		q := &queueingSlave{unit: &slave{}}
		q.stall = func(n int) time.Duration {
			if n == 0 {
				first = time.Since(start)
			}
			return 0
		}
		b, stop := lateBus(q)
		defer stop()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		config := drivers.DeviceConfig{Options: &Options{Wire: serial.Wire{Bus: "wire"}, Unit: 1, Timeout: time.Second, Settle: 3 * time.Second, Missing: true}, Every: time.Second,
			Channels: []drivers.ChannelConfig{{Name: "r5", Options: &Channel{Holding: ptr(5)}}, {Name: "none", Options: &Channel{Holding: ptr(6)}}}}
		q.set(func() { q.unit.holding[6] = 0xFFFF })
		dev, err := Drivers(serial.Only(b), quiet())[0].Open(ctx, config)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		dev.(drivers.Watcher).Watch(ctx, func(r drivers.Reading, err error) {
			if err == nil {
				got[r.Channel]++
			} else {
				t.Error(err)
			}
		})
		q.mu.Lock()
		defer q.mu.Unlock()
		if first < 3*time.Second || first > 4*time.Second {
			t.Errorf("asked first after %v, want 3s", first)
		}
		if got["r5"] < 5 || got["none"] > 0 {
			t.Errorf("got %v, want readings of r5 and none of what is missing", got)
		}
	})
}

// A set-point in an EEPROM of 100,000 writes, commanded every second by an automation.
func TestAValueInMemoryThatWearsOutIsSpared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		writes := 0
		q := &queueingSlave{unit: &slave{}, stall: func(int) time.Duration { return 0 }}
		q.heard = func(function byte) {
			if function == writeRegister {
				writes++
			}
		}
		b, stop := lateBus(q)
		defer stop()
		config := drivers.DeviceConfig{Options: &Options{Wire: serial.Wire{Bus: "wire"}, Unit: 1, Timeout: time.Second}, Every: time.Hour,
			Channels: []drivers.ChannelConfig{{Name: "target", Options: &Channel{Holding: ptr(5), Write: true, Wears: true}}}}
		dev, err := Drivers(serial.Only(b), quiet())[0].Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		command := func(payload string) error {
			return dev.(drivers.Commander).Command(t.Context(), drivers.Command{Channel: "target", Payload: []byte(payload)})
		}
		for range 100 {
			if err := command("20"); err != nil {
				t.Errorf("20: %v, want done: it has that value", err)
			}
			time.Sleep(time.Second)
		}
		if err := command("21"); err != nil {
			t.Errorf("21, a minute and more later: %v", err)
		}
		if err := command("22"); !errors.Is(err, drivers.ErrRefused) {
			t.Errorf("22, at once: %v, want a refusal", err)
		}
		time.Sleep(wearEvery)
		if err := command("22"); err != nil {
			t.Errorf("22, a minute later: %v", err)
		}
		q.set(func() {
			if writes != 3 || q.unit.holding[5] != 22 {
				t.Errorf("%d writes for 103 commands, the register is %d; want 3 and 22", writes, q.unit.holding[5])
			}
		})
	})
}
