package bus

import (
	"context"
	"log/slog"
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
