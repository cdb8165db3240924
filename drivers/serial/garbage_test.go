package serial

import (
	"context"
	"io"
	"runtime"
	"syscall"
	"testing"
	"time"

	"sensorgate/drivers"
)

// flood sends garbage at the full speed of 115200 baud for d and gives the processor
// time that the whole process took meanwhile, this sender included, and how much the
// heap grew.
func flood(tb testing.TB, d time.Duration) (cpu time.Duration, heap int64) {
	tb.Helper()
	far, path := pty(tb)
	o := defaultFrames().(*FramesOptions)
	o.Serial = &PortOptions{Port: path}
	o.Framing = *framings(tb)["sync"]
	if err := o.Serial.Line.UnmarshalText([]byte("115200 8N1")); err != nil {
		tb.Fatal(err)
	}
	dev, err := driverNamed(tb, "frames").Open(tb.Context(), drivers.Site{Options: o})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		dev.(drivers.Watcher).Watch(ctx, func(drivers.Reading, error) {})
	}()
	defer func() { cancel(); <-done; dev.(io.Closer).Close() }()

	noise := garbage(1 << 16)
	// A UART with a FIFO of 16 bytes and a trigger at 8 hands over 8 bytes 1440 times a second.
	const piece = 8
	tick := time.NewTicker(time.Second * piece * 10 / 115200)
	defer tick.Stop()
	before, start := usage(), time.Now()
	for at := 0; time.Since(start) < d; at = (at + piece) % len(noise) {
		if _, err := far.Write(noise[at : at+piece]); err != nil {
			tb.Fatal(err)
		}
		<-tick.C
	}
	after := usage()
	return after.cpu - before.cpu, after.heap - before.heap
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
	if testing.Short() {
		t.Skip("measures processor time")
	}
	const d = 2 * time.Second
	cpu, heap := flood(t, d)
	t.Logf("%.1f %% of a core with the sender, heap %+d bytes", 100*cpu.Seconds()/d.Seconds(), heap)
	if cpu > d/5 || heap > 256<<10 {
		t.Errorf("%v of processor time in %v, heap %+d bytes", cpu, d, heap)
	}
}

func BenchmarkGarbageAt115200(b *testing.B) {
	d := time.Duration(0)
	var cpu time.Duration
	for b.Loop() {
		c, _ := flood(b, 5*time.Second)
		cpu += c
		d += 5 * time.Second
	}
	b.ReportMetric(100*cpu.Seconds()/d.Seconds(), "%core")
}
