package serial

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
)

// What a wire was busy for, and how often its adapter was lost, is counted; time in which
// nobody asks is not.
func TestWireCountsItsBusyTimeAndItsReopens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var far net.Conn
		b := NewBusOver("rs485", PortOptions{}, func(context.Context) (net.Conn, error) {
			var near net.Conn
			near, far = net.Pipe()
			return near, nil
		}, quiet())
		ctx, cancel := context.WithCancel(context.Background())
		var done sync.WaitGroup
		done.Go(func() { b.Run(ctx) })
		work := func(d time.Duration) {
			t.Helper()
			if err := b.Do(ctx, Job{Run: func(*Transaction) error { time.Sleep(d); return nil }}); err != nil {
				t.Fatal(err)
			}
		}
		work(3 * time.Second)
		time.Sleep(time.Hour)
		if c := b.Counters(); c != (drivers.BusCounters{Bus: "rs485", Busy: 3 * time.Second}) {
			t.Errorf("%+v, want 3 s and never opened again", c)
		}
		far.Close() // the adapter is pulled out, and is back at once
		time.Sleep(2 * reopenEvery)
		synctest.Wait()
		work(time.Second)
		if c := b.Counters(); c.Busy != 4*time.Second || c.Reopens != 1 {
			t.Errorf("%+v, want 4 s and opened again once", c)
		}
		cancel()
		done.Wait()
	})
}

// A device with a port of its own is opened again after a failure, on a Bus of its own:
// the counters of the port go on. After a reload a port that nobody has is gone.
func TestCountersOfAPrivatePortOutliveItsDevice(t *testing.T) {
	far, path, err := OpenPTY()
	if err != nil {
		t.Skip("no ptys here:", err)
	}
	defer far.Close()
	buses := NewBuses()
	wires := NewWires(buses, quiet())
	wire := Wire{Serial: &PortOptions{Port: path}}
	var all []drivers.BusCounters
	for range 3 {
		b, release, err := wires.Open(wire)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Do(t.Context(), Job{Run: func(*Transaction) error { return nil }}); err != nil {
			t.Fatal(err)
		}
		all = buses.Counters()
		release()
	}
	if len(all) != 1 || all[0].Reopens != 2 || all[0].Busy <= 0 {
		t.Errorf("%+v, want one port that was opened again twice", all)
	}
	if after := buses.Counters(); len(after) != 1 || after[0].Reopens != 2 {
		t.Errorf("while it is closed: %+v", after)
	}
	buses.Forget()
	if left := buses.Counters(); len(left) != 0 {
		t.Errorf("after a reload without it: %+v", left)
	}
}
