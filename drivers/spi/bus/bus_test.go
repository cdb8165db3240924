package bus

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"sensorgate/drivers"
)

func TestAddr(t *testing.T) {
	for text, want := range map[string]string{"0.0": "0.0", "/dev/spidev1.2": "1.2", "spidev0.1": "0.1"} {
		var a Addr
		if err := a.UnmarshalText([]byte(text)); err != nil || a.String() != want {
			t.Errorf("%q: %v, %v; want %s", text, a, err, want)
		}
	}
	for _, text := range []string{"", "0", "0.", "a.0", "0.300", "-1.0", "0:0"} {
		if err := new(Addr).UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), `try "0.0"`) {
			t.Errorf("%q: %v, want what to try", text, err)
		}
	}
}

func TestTransferIsOneMessageOfSpidev(t *testing.T) {
	if size := unsafe.Sizeof(transfer{}); size != 32 {
		t.Errorf("a transfer has %d bytes, spidev's has 32", size)
	}
	d := newDevice(nil, func(op uintptr, arg unsafe.Pointer) error {
		if m := (*transfer)(arg); op != iocMessage || m.length != 3 || m.bits != 8 {
			t.Errorf("ioctl %x of %+v", op, *m)
		}
		return nil
	})
	if err := d.Tx([]byte{1, 2, 3}, make([]byte, 3)); err != nil {
		t.Error(err)
	}
	for _, bad := range [][2]int{{0, 0}, {1, 2}, {maxTransfer + 1, maxTransfer + 1}} {
		if err := d.Tx(make([]byte, bad[0]), make([]byte, bad[1])); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%v: %v, want EINVAL", bad, err)
		}
	}
}

// deep makes the stack grow, and so move.
//
//go:noinline
func deep(levels int) int {
	var pad [128]byte
	pad[levels%128] = 1
	if levels == 0 {
		return int(pad[0])
	}
	return deep(levels-1) + int(pad[1])
}

// at is the address that the kernel is given, as a pointer.
func at(address *uint64) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(address)) }

// A node that has the caller's stack move and the garbage collected before it looks at what
// it was given, as a kernel that is slow may: every byte must be right all the same. The
// same node makes a setting of periph's port arrive as another; see doc.go.
func TestTransferSurvivesMovingStacksAndTheGarbageCollector(t *testing.T) {
	var wrong atomic.Int64
	node := func(_ uintptr, arg unsafe.Pointer) error {
		deep(500)
		runtime.GC()
		m := (*transfer)(arg)
		in, out := at(&m.tx), at(&m.rx)
		for i := range int(m.length) {
			*(*byte)(unsafe.Add(out, i)) = ^*(*byte)(unsafe.Add(in, i))
		}
		return nil
	}
	n := 120
	if testing.Short() {
		n = 20
	}
	for i := range n {
		var wg sync.WaitGroup
		for k := range 4 { // new goroutines, whose stacks are small
			wg.Go(func() {
				d := newDevice(nil, node)
				w, r := [3]byte{byte(i), byte(k), 7}, [3]byte{}
				if err := d.Tx(w[:], r[:]); err != nil || r != [3]byte{^w[0], ^w[1], ^w[2]} {
					wrong.Add(1)
				}
			})
		}
		wg.Wait()
	}
	if wrong.Load() != 0 {
		t.Errorf("%d of %d transfers were wrong", wrong.Load(), 4*n)
	}
}

func TestOpenDevice(t *testing.T) {
	_, err := openDevice(Addr{Bus: 31999, Select: 9}, Settings{})
	if !errors.Is(err, drivers.ErrAbsent) || !strings.Contains(err.Error(), "dtparam=spi=on") {
		t.Errorf("no such bus: %v", err)
	}
	if err := explainOpen("/dev/spidev0.0", os.ErrPermission); err == nil || !strings.Contains(err.Error(), "group spi") {
		t.Errorf("not allowed: %v", err)
	}
}

// A caller that gives up gets its time back; the late answer lands nowhere.
func TestGivingUpOnABusThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		b := NewOn(slog.New(slog.DiscardHandler), func(Addr, Settings) (Conn, error) {
			return newDevice(nil, func(uintptr, unsafe.Pointer) error { <-hold; return nil }), nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.Run(ctx) }()
		d := b.Dev(Addr{0, 1}, Settings{})
		start := time.Now()
		short, stop := context.WithTimeout(ctx, time.Second)
		defer stop()
		_, err := d.Transfer(short, 1)
		if !errors.Is(err, drivers.ErrNoAnswer) || time.Since(start) != time.Second || !strings.Contains(err.Error(), "spi bus 0, select 1") {
			t.Errorf("%v after %v, want no answer, with its place, after a second", err, time.Since(start))
		}
		close(hold)
		if r, err := d.Transfer(ctx, 1, 2); err != nil || len(r) != 2 {
			t.Errorf("next: %v, %v", r, err)
		}
		cancel()
		<-ended
		if _, err := d.Transfer(t.Context(), 1); err == nil {
			t.Error("a transfer after the end had no error")
		}
	})
}
