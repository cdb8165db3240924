package serialtest

import (
	"context"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
)

// PTY returns a port of the kernel whose far end the test holds, and its path. The test is
// skipped where there are none. Both ends are closed with the test.
func PTY(t testing.TB) (far *os.File, path string) {
	t.Helper()
	far, path, err := serial.OpenPTY()
	if err != nil {
		t.Skip("no ptys here:", err)
	}
	t.Cleanup(func() { far.Close() })
	return far, path
}

// NoBuses is for tests whose devices have a port of their own.
var NoBuses = serial.NewBuses()

// Quiet is a log that nobody reads.
func Quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Named returns the driver of that name, and fails the test if there is none.
func Named(t testing.TB, list []drivers.Driver, name string) drivers.Driver {
	t.Helper()
	for _, d := range list {
		if d.Name == name {
			return d
		}
	}
	t.Fatalf("no driver %q", name)
	return drivers.Driver{}
}

// Seen is one report of a Watcher: a reading, or an error.
type Seen struct {
	Reading drivers.Reading
	Err     error
}

// Watch checks the options, opens the device and runs it until the test ends. What it
// reports comes from the channel, which holds a thousand reports.
func Watch(t testing.TB, driver drivers.Driver, c drivers.DeviceConfig) <-chan Seen {
	t.Helper()
	if o, ok := c.Options.(drivers.Checker); ok {
		if err := o.Check(); err != nil {
			t.Fatal(err)
		}
	}
	dev, err := driver.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	reports, done := make(chan Seen, 1000), make(chan struct{})
	go func() {
		defer close(done)
		dev.(drivers.Watcher).Watch(ctx, func(r drivers.Reading, err error) { reports <- Seen{r, err} })
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		dev.(io.Closer).Close()
	})
	return reports
}

// Next returns the next report, and fails the test when none comes for five seconds.
func Next(t testing.TB, reports <-chan Seen) Seen {
	t.Helper()
	select {
	case s := <-reports:
		return s
	case <-time.After(5 * time.Second):
		t.Fatal("nothing was reported for 5 s")
		return Seen{}
	}
}
