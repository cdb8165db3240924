package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func TestSinksStartFirstAndSourcesStopFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var events []string
		note := func(s string) { mu.Lock(); events = append(events, s); mu.Unlock() }
		mk := func(name string) part {
			return part{name, func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Second) // takes its time to end
				note(name)
				return nil
			}}
		}
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Minute, cancel)
		if err := runAll(ctx, quiet, 5*time.Second, mk("journal"), mk("broker"), mk("drivers")); err != nil {
			t.Errorf("asked to stop: %v, want nil", err)
		}
		if got := strings.Join(events, " "); got != "drivers broker journal" {
			t.Errorf("stopped in the order %q: the last reading found no sink", got)
		}
	})
}

func TestAPartThatFailsStopsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := errors.New("boom")
		err := runAll(context.Background(), quiet, time.Second,
			part{"good", func(ctx context.Context) error { <-ctx.Done(); return nil }},
			part{"bad", func(context.Context) error { return boom }},
			part{"hangs", func(context.Context) error { time.Sleep(time.Hour); return nil }},
		)
		if !errors.Is(err, boom) || !strings.Contains(err.Error(), "bad") {
			t.Errorf("got %v, want boom and who it was", err)
		}
		time.Sleep(2 * time.Hour)
	})
}

func TestOutboxKeepsTheNewest(t *testing.T) {
	o := newOutbox()
	for i := range maxBatches + 10 {
		o.Readings([]drivers.Reading{{Value: drivers.Number(float64(i))}})
	}
	batches, _ := o.take()
	first, _ := batches[0][0].Value.Number()
	if taken, dropped := o.counts(); len(batches) != maxBatches || first != 10 || dropped != 10 || taken != maxBatches+10 {
		t.Errorf("%d batches from %v on, %d of %d dropped; want the newest %d and 10 dropped", len(batches), first, dropped, taken, maxBatches)
	}
}
