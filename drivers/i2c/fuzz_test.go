package i2c

import (
	"context"
	"log/slog"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/i2c"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/i2c/i2ctest"
)

// babble answers every read with the next bytes of a list, over and over.
type babble struct {
	data []byte
	next int
}

func (b *babble) PowerOn()           {}
func (b *babble) Write([]byte) error { return nil }
func (b *babble) Read(r []byte) error {
	for i := range r {
		r[i] = b.data[b.next%len(b.data)]
		b.next++
	}
	return nil
}

// FuzzDrivers has a chip answer anything at all: no driver may panic, hang, or return NaN, an
// infinity or a number outside its range.
func FuzzDrivers(f *testing.F) {
	names := onI2C(NewBuses(slog.New(slog.DiscardHandler)), nil)
	for i := range names {
		f.Add(byte(i), []byte{0x00, 0x01, 0x60, 0x58, 0x55, 0x08})
		f.Add(byte(i), []byte{0x54, 0x49, 0x22, 0x60, 0x80})
	}
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		if len(data) == 0 || len(data) > 256 {
			return
		}
		synctest.Test(t, func(t *testing.T) { listenTo(t, int(which), data) })
	})
}

func listenTo(t *testing.T, which int, data []byte) {
	fake := i2ctest.NewBus()
	buses := NewBusesOn(slog.New(slog.DiscardHandler), func(string) (i2c.BusCloser, error) { return fake, nil })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- buses.Run(ctx) }()
	defer func() { cancel(); <-ended }()

	all := onI2C(buses, nil)
	d := all[which%len(all)]
	if d.Name == described {
		return // what it reads is up to the user's channels; it has tests of its own
	}
	addr, config := deviceOf(t, d)
	fake.Attach(addr, &babble{data: data})
	start := time.Now()
	dev, err := d.Open(ctx, config)
	for range 3 {
		if err != nil {
			break
		}
		var rs []drivers.Reading
		rs, err = driverstest.Poll(ctx, dev.(drivers.Poller))
		for _, r := range rs {
			plausible(t, d, r)
		}
	}
	if took := time.Since(start); took > 2*time.Minute {
		t.Errorf("%s listened for %v", d.Name, took)
	}
}

func plausible(t *testing.T, d drivers.Driver, r drivers.Reading) {
	v, isNumber := r.Value.Number()
	if !r.Value.Valid() || isNumber && (math.IsNaN(v) || math.IsInf(v, 0)) {
		t.Errorf("%s published %s = %v", d.Name, r.Channel, r.Value)
	}
	for _, c := range d.Channels {
		if c.Name == r.Channel && isNumber && (c.Min != 0 || c.Max != 0) && (v < c.Min || v > c.Max) {
			t.Errorf("%s published %s = %v, out of its range", d.Name, r.Channel, v)
		}
	}
}
