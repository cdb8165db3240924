package framing

import (
	"context"
	"io"
	"runtime"
	"syscall"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/serialtest"
	"sensorgate/internal/timing"
)

// flood sends garbage at the full speed of 115200 baud for d and gives the processor
// time that the whole process took meanwhile, this sender included, and how much the
// heap grew. Without a device only the clock of the sender runs: what that
// costs is not the device's.
func flood(tb testing.TB, d time.Duration, device bool) (cpu time.Duration, heap int64) {
	tb.Helper()
	far, path := serialtest.PTY(tb)
	if device {
		defer listenTo(tb, path)()
	}
	noise := garbage(1 << 16)
	// A UART with a FIFO of 16 bytes and a trigger at 8 hands over 8 bytes 1440 times a second.
	const piece = 8
	tick := time.NewTicker(time.Second * piece * 10 / 115200)
	defer tick.Stop()
	before, start := usage(), time.Now()
	for at := 0; time.Since(start) < d; at = (at + piece) % len(noise) {
		if device { // a pty that nobody reads is full after 4 KB
			if _, err := far.Write(noise[at : at+piece]); err != nil {
				tb.Fatal(err)
			}
		}
		<-tick.C
	}
	after := usage()
	return after.cpu - before.cpu, after.heap - before.heap
}

// listenTo runs a device on the port until the returned func is called.
func listenTo(tb testing.TB, path string) (stop func()) {
	tb.Helper()
	o := defaultFrames().(*FramesOptions)
	o.Serial = &serial.PortOptions{Port: path}
	o.Framing = *framings(tb)["sync"]
	if err := o.Serial.Line.UnmarshalText([]byte("115200 8N1")); err != nil {
		tb.Fatal(err)
	}
	dev, err := serialtest.Named(tb, Drivers(serialtest.NoBuses, serialtest.Quiet()), "frames").Open(tb.Context(), drivers.DeviceConfig{Options: o})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		dev.(drivers.Watcher).Watch(ctx, func(drivers.Reading, error) {})
	}()
	return func() { cancel(); <-done; dev.(io.Closer).Close() }
}

type resources struct {
	cpu  time.Duration
	heap int64
}

func usage() resources {
	var ru syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return resources{time.Duration(ru.Utime.Nano() + ru.Stime.Nano()), int64(m.HeapAlloc)}
}

// Garbage at full speed costs little and keeps nothing. The limit here is for a
// machine that does other things too; the benchmark gives the number.
func TestGarbageCostsLittle(t *testing.T) {
	timing.Judged(t)
	const d = 2 * time.Second
	_, _ = flood(t, d/10, true) // the first time costs more
	cpu, heap := flood(t, d, true)
	t.Logf("%.1f %% of a core with the sender, heap %+d bytes", 100*cpu.Seconds()/d.Seconds(), heap)
	if cpu > d/5 || heap > 256<<10 {
		t.Errorf("%v of processor time in %v, heap %+d bytes", cpu, d, heap)
	}
}

func BenchmarkGarbageAt115200(b *testing.B) {
	d := time.Duration(0)
	var with, without time.Duration
	for b.Loop() {
		c, _ := flood(b, 5*time.Second, true)
		with += c
		c, _ = flood(b, 5*time.Second, false)
		without += c
		d += 5 * time.Second
	}
	b.ReportMetric(100*with.Seconds()/d.Seconds(), "%core-with-sender")
	b.ReportMetric(100*(with-without).Seconds()/d.Seconds(), "%core")
}
