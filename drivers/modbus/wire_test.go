package modbus

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
)

// pipeBus is a bus at 38400 baud whose far end is units, on virtual time. stop ends it.
func pipeBus(t *testing.T, units map[byte]*slave) (s *slaves, b *serial.Bus, stop func()) {
	t.Helper()
	var o serial.PortOptions
	if err := o.Line.UnmarshalText([]byte("38400 8N1")); err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	s = &slaves{far: far, units: units, wire: o.Line.CharTime()}
	b = serial.NewBusOver("wire", o, func(context.Context) (net.Conn, error) { return near, nil }, quiet())
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(s.serve)
	done.Go(func() { b.Run(ctx) })
	return s, b, func() { cancel(); far.Close(); done.Wait() }
}

// rhythm is what one unit's readings were like.
type rhythm struct {
	readings int
	late     int           // intervals more than 10 % too long
	longest  time.Duration // interval
}

// run polls all units of b every interval for d and returns their rhythms.
func run(t testing.TB, b *serial.Bus, units int, interval, timeout, d time.Duration) []rhythm {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	rhythms := make([]rhythm, units+1)
	driver := Drivers(serial.Only(b), quiet())[0]
	var done sync.WaitGroup
	for unit := 1; unit <= units; unit++ {
		c := Channel{Holding: ptr(0), Layout: typed(t, "u32")}
		config := drivers.DeviceConfig{Options: &Options{Wire: serial.Wire{Bus: "wire"}, Unit: uint8(unit), Timeout: timeout}, Every: interval,
			Channels: []drivers.ChannelConfig{{Name: "energy", Options: &c}}}
		dev, err := driver.Open(ctx, config)
		if err != nil {
			t.Fatal(err)
		}
		done.Go(func() {
			defer dev.(io.Closer).Close()
			r, last := &rhythms[unit], time.Time{}
			dev.(drivers.Watcher).Watch(ctx, func(_ drivers.Reading, err error) {
				if err != nil {
					return
				}
				now := time.Now()
				if r.readings++; !last.IsZero() {
					took := now.Sub(last)
					if r.longest = max(r.longest, took); took > interval*11/10 {
						r.late++
					}
				}
				last = now
			})
		})
	}
	done.Wait()
	return rhythms
}

func thirtyTwo() map[byte]*slave {
	units := map[byte]*slave{}
	for i := byte(1); i <= 32; i++ {
		units[i] = &slave{holding: map[uint16]uint16{0: 0, 1: uint16(i)}}
	}
	return units
}

// With 1 of 32 units dead, the other 31 keep their interval within 10 %, plus one
// time-out for each probe of the dead one. Ten minutes of virtual time at 38400 baud.
func TestOneDeadUnitCostsTheOthersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval, timeout, minutes = time.Second, 500 * time.Millisecond, 10
		units := thirtyTwo()
		units[7].dead = true
		s, b, stop := pipeBus(t, units)
		rhythms := run(t, b, 32, interval, timeout, minutes*time.Minute)
		stop()
		probes := 0
		for _, r := range s.requests {
			if r[0] == 7 {
				probes++
			}
		}
		if probes < minutes || probes > 2*minutes {
			t.Errorf("the dead unit was asked %d times in %d minutes", probes, minutes)
		}
		for unit := 1; unit <= 32; unit++ {
			r := rhythms[unit]
			switch {
			case unit == 7 && r.readings > 0:
				t.Error("a dead unit gave readings")
			case unit == 7:
			case r.readings < 60*minutes-2*probes || r.late > probes || r.longest > interval*11/10+timeout:
				t.Errorf("unit %d: %d readings in %d minutes, %d of them late (%d probes), longest interval %v", unit, r.readings, minutes, r.late, probes, r.longest)
			}
		}
	})
}

// The dead unit is back within a minute and a half of being repaired, and at its rhythm.
func TestABackedOffUnitComesBack(t *testing.T) {
	if testing.Short() {
		t.Skip("ten minutes of virtual time take a while on a slow machine")
	}
	synctest.Test(t, func(t *testing.T) {
		units := thirtyTwo()
		units[7].dead = true
		s, b, stop := pipeBus(t, units)
		time.AfterFunc(3*time.Minute, func() { s.set(func() { units[7].dead = false }) })
		rhythms := run(t, b, 32, time.Second, 500*time.Millisecond, 10*time.Minute)
		stop()
		if n := rhythms[7].readings; n < 5*60 {
			t.Errorf("a unit that came back after 3 of 10 minutes gave %d readings, want one a second since 4:30 at the latest", n)
		}
	})
}

// A bus with half of its units dead still serves the other half.
func TestHalfOfTheUnitsDead(t *testing.T) {
	if testing.Short() {
		t.Skip("ten minutes of virtual time take a while on a slow machine")
	}
	synctest.Test(t, func(t *testing.T) {
		units := thirtyTwo()
		for i := byte(1); i <= 16; i++ {
			units[2*i].dead = true
		}
		_, b, stop := pipeBus(t, units)
		rhythms := run(t, b, 32, time.Second, 500*time.Millisecond, 10*time.Minute)
		stop()
		for unit := 1; unit <= 32; unit += 2 {
			if r := rhythms[unit]; r.readings < 500 {
				t.Errorf("unit %d: %d readings in 600 s, longest interval %v", unit, r.readings, r.longest)
			}
		}
	})
}

// A command does not wait for the polls that queue.
func TestCommandsGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		units := thirtyTwo()
		units[1].coils = map[uint16]bool{0: false}
		s, b, stop := pipeBus(t, units)
		driver := Drivers(serial.Only(b), quiet())[0]
		dev, err := driver.Open(t.Context(), drivers.DeviceConfig{Options: &Options{Wire: serial.Wire{Bus: "wire"}, Unit: 1, Timeout: time.Second},
			Channels: []drivers.ChannelConfig{{Name: "relay", Options: &Channel{Coil: ptr(0), Write: true}}}})
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(10*time.Second, func() {
			start := time.Now()
			if err := dev.(drivers.Commander).Command(context.Background(), drivers.Command{Channel: "relay", Payload: []byte("on")}); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > 100*time.Millisecond {
				t.Errorf("the command took %v on a wire that is never idle", took)
			}
		})
		run(t, b, 32, 50*time.Millisecond, time.Second, 20*time.Second) // far more than the wire can carry
		stop()
		s.set(func() {
			if !units[1].coils[0] {
				t.Error("the relay is off")
			}
		})
	})
}

// A device that vanishes with its adapter is absent, not silent.
func TestLostConnectionIsAbsence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		b := serial.NewBusOver("wire", serial.PortOptions{}, func(context.Context) (net.Conn, error) { return near, nil }, quiet())
		ctx, cancel := context.WithCancel(context.Background())
		var done sync.WaitGroup
		done.Go(func() { b.Run(ctx) })
		driver := Drivers(serial.Only(b), quiet())[0]
		dev, err := driver.Open(ctx, drivers.DeviceConfig{Options: &Options{Wire: serial.Wire{Bus: "wire"}, Unit: 1, Timeout: time.Second}, Every: time.Second,
			Channels: []drivers.ChannelConfig{{Name: "x", Options: &Channel{Holding: ptr(0)}}}})
		if err != nil {
			t.Fatal(err)
		}
		absent := make(chan error, 100)
		done.Go(func() {
			dev.(drivers.Watcher).Watch(ctx, func(_ drivers.Reading, err error) { absent <- err })
		})
		far.Close()
		if err := <-absent; !errors.Is(err, drivers.ErrAbsent) {
			t.Errorf("got %v, want absent", err)
		}
		cancel()
		done.Wait()
	})
}
