package bus

import (
	"context"
	"log/slog"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"sensorgate/drivers"
)

// What a bus was busy for is counted for all its selects together; one that was gone and
// is opened again counts as one more opening, a second select does not.
func TestBusCountsItsBusyTimeAndItsReopens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone error
		b := NewOn(slog.New(slog.DiscardHandler), func(Addr, Settings) (Conn, error) {
			return newDevice(nil, func(uintptr, unsafe.Pointer) error { time.Sleep(time.Second); return gone }), nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.Run(ctx) }()
		first, second := b.Dev(Addr{0, 0}, Settings{}), b.Dev(Addr{0, 1}, Settings{})
		for range 2 {
			first.Transfer(ctx, 1)
			second.Transfer(ctx, 1)
		}
		gone = syscall.ENODEV
		first.Transfer(ctx, 1)
		gone = nil
		first.Transfer(ctx, 1)
		time.Sleep(time.Hour)
		if c := b.Counters(); len(c) != 1 || c[0] != (drivers.BusCounters{Bus: "spi-0", Busy: 6 * time.Second, Reopens: 1}) {
			t.Errorf("%+v, want 6 s and opened again once", c)
		}
		cancel()
		<-ended
	})
}

// A select that somebody talks to in another mode, or faster, is opened anew with that: a
// scan tries several modes, and the device that is added afterwards has one of its own. That
// is no reopening of a select that was gone.
func TestSelectIsOpenedAnewWithOtherSettings(t *testing.T) {
	var opened []Settings
	closed := 0
	b := NewOn(slog.New(slog.DiscardHandler), func(_ Addr, s Settings) (Conn, error) {
		opened = append(opened, s)
		return counted{newDevice(nil, func(uintptr, unsafe.Pointer) error { return nil }), &closed}, nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	one, fast, three := Settings{Mode: 1, Hertz: 1000}, Settings{Mode: 1, Hertz: 2000}, Settings{Mode: 3, Hertz: 2000}
	for _, s := range []Settings{one, one, fast, three, three} {
		if _, err := b.Dev(Addr{}, s).Transfer(ctx, 1); err != nil {
			t.Error(err)
		}
	}
	if c := b.Counters(); c[0].Reopens != 0 {
		t.Errorf("counted %d reopenings, want none", c[0].Reopens)
	}
	cancel()
	<-ended
	if want := []Settings{one, fast, three}; !slices.Equal(opened, want) || closed != len(want) {
		t.Errorf("opened with %v, closed %d times; want %v, each closed", opened, closed, want)
	}
}

// counted counts how often it is closed.
type counted struct {
	*device
	closed *int
}

func (c counted) Close() error { *c.closed++; return nil }
