package bus_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/i2c"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/i2ctest"
)

// onBus runs f in a bubble with buses on a fake.
func onBus(t *testing.T, f func(t *testing.T, b *bus.Buses, fake *i2ctest.Bus)) {
	synctest.Test(t, func(t *testing.T) {
		fake := i2ctest.NewBus()
		b := bus.NewOn(slog.New(slog.DiscardHandler), func(string) (i2c.BusCloser, error) { return fake, nil })
		running(t, b, func() { f(t, b, fake) })
	})
}

// running runs f while b runs, and waits for b's end.
func running(t *testing.T, b *bus.Buses, f func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	f()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Run ended with %v", err)
	}
}

func dev(t *testing.T, b *bus.Buses, addr string) *bus.Dev {
	t.Helper()
	var a bus.Addr
	if err := a.UnmarshalText([]byte(addr)); err != nil {
		t.Fatal(err)
	}
	d, err := b.Dev(a)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// memory is a chip with one byte.
type memory struct {
	v   byte
	got int // reads and writes
}

func (m *memory) PowerOn() {}
func (m *memory) Write(b []byte) error {
	m.got++
	if len(b) > 0 {
		m.v = b[len(b)-1]
	}
	return nil
}
func (m *memory) Read(b []byte) error {
	m.got++
	for i := range b {
		b[i] = m.v
	}
	return nil
}

func TestAddr(t *testing.T) {
	for text, want := range map[string]string{
		"1:0x76": "1:0x76", "i2c-1:0x76": "1:0x76", "/dev/i2c-1:0X76": "1:0x76", "01:0x08": "1:0x08",
		"1:0x70/3:0x76": "1:0x70/3:0x76", "1:0x70/0:0x71/7:0x77": "1:0x70/0:0x71/7:0x77",
		"MCP2221 usb-i2c bridge:0x40": "MCP2221 usb-i2c bridge:0x40",
	} {
		var a bus.Addr
		if err := a.UnmarshalText([]byte(text)); err != nil || a.String() != want {
			t.Errorf("%q: %v, %v; want %s", text, a, err, want)
		}
	}
	for text, says := range map[string]string{
		"": "expected bus:address", "1": "expected bus:address", ":0x76": "expected bus:address",
		"1:76": `try "0x76"`, "1:0x7f": "0x01 to 0x77", "1:0x00": "0x01 to 0x77", "1:bme280": "one like 0x76",
		"1:0x70:0x76": "multiplexer/channel", "1:0x70/8:0x76": "0 to 7", "1:0x70/1:0x70/2:0x76": "twice", "1:": "one like 0x76",
	} {
		var a bus.Addr
		if err := a.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want an error that says %q", text, err, says)
		}
	}
}

func FuzzAddr(f *testing.F) {
	for _, s := range []string{"1:0x76", "1:0x70/3:0x76", "x:0x:0/0", ":::", "i2c-1:0x08"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var a, again bus.Addr
		if a.UnmarshalText([]byte(s)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(a.String())); err != nil || again.String() != a.String() {
			t.Errorf("%q reads as %s, which reads as %s (%v)", s, a, again, err)
		}
	})
}

func TestErrorsNameThePlace(t *testing.T) {
	onBus(t, func(t *testing.T, b *bus.Buses, fake *i2ctest.Bus) {
		err := dev(t, b, "1:0x70/3:0x76").Write(t.Context(), 1)
		if err == nil || err.Error() != "i2c bus 1, multiplexer 0x70 channel 3, address 0x76: multiplexer 0x70: no answer (wired? try: sensorgate scan i2c) (remote I/O error)" {
			t.Errorf("%v", err)
		}
		if !errors.Is(err, drivers.ErrNoAnswer) || !errors.Is(err, syscall.EREMOTEIO) {
			t.Errorf("%v has lost its cause", err)
		}
	})
}

// Two chips with one address on two channels, and one on the bus itself.
func TestMultiplexer(t *testing.T) {
	onBus(t, func(t *testing.T, b *bus.Buses, fake *i2ctest.Bus) {
		mux := &muxer{bus: fake, behind: map[int]*memory{0: {v: 10}, 3: {v: 13}}, addr: 0x76}
		fake.Attach(0x70, mux)
		fake.Attach(0x20, &memory{v: 99})
		first, second, plain := dev(t, b, "1:0x70/0:0x76"), dev(t, b, "1:0x70/3:0x76"), dev(t, b, "1:0x20")
		for range 2 {
			for d, want := range map[*bus.Dev]byte{first: 10, second: 13, plain: 99} {
				if r, err := d.Read(t.Context(), 1); err != nil || r[0] != want {
					t.Errorf("%s: %v, %v; want %d", d.Addr(), r, err, want)
				}
			}
		}
		plain.Read(t.Context(), 1)
		if mux.mask != 0 {
			t.Errorf("channels %08b are still through while the bus itself is used", mux.mask)
		}
		// A multiplexer that lost its power has no channel through: it is set again, so the
		// chip behind it answers and nobody else.
		first.Read(t.Context(), 1)
		fake.With(mux.PowerOn)
		if r, err := first.Read(t.Context(), 1); err != nil || r[0] != 10 {
			t.Errorf("after a dip: %v, %v", r, err)
		}
	})
}

// muxer models a PCA9548A: one bit per channel, and the chips behind them on the bus. SCPS207
// section 8.6.
type muxer struct {
	bus    *i2ctest.Bus
	addr   uint16
	behind map[int]*memory
	mask   byte
}

func (m *muxer) PowerOn() { m.mask = 0 }
func (m *muxer) Write(b []byte) error {
	m.mask = b[len(b)-1]
	return nil
}
func (m *muxer) Read(b []byte) error {
	b[0] = m.mask
	return nil
}

// Stop switches the channels, as the chip does at the stop condition.
func (m *muxer) Stop() {
	var on *memory
	for ch, c := range m.behind {
		if m.mask&(1<<ch) != 0 {
			on = c
		}
	}
	if on == nil {
		m.bus.AttachLocked(m.addr, nil)
	} else {
		m.bus.AttachLocked(m.addr, on)
	}
}

// A caller that gives up gets its buffer back at once; the late answer lands nowhere.
func TestGivingUpLeavesTheBufferAlone(t *testing.T) {
	onBus(t, func(t *testing.T, b *bus.Buses, fake *i2ctest.Bus) {
		fake.Attach(0x20, &memory{v: 0xaa})
		hold := make(chan struct{})
		fake.Hook(func(int) { <-hold })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r := []byte{1, 2, 3}
		start := time.Now()
		err := dev(t, b, "1:0x20").Tx(ctx, nil, r)
		if !errors.Is(err, drivers.ErrNoAnswer) || time.Since(start) != time.Second {
			t.Errorf("held bus: %v after %v, want no answer after the caller's second", err, time.Since(start))
		}
		close(hold)
		synctest.Wait()
		if r[0] != 1 || r[1] != 2 || r[2] != 3 {
			t.Errorf("the late answer was written to a buffer that was given back: %v", r)
		}
		fake.Hook(nil)
		if r, err := dev(t, b, "1:0x20").Read(t.Context(), 1); err != nil || r[0] != 0xaa {
			t.Errorf("next: %v, %v", r, err)
		}
	})
}

func TestCancelIsNotATimeout(t *testing.T) {
	onBus(t, func(t *testing.T, b *bus.Buses, fake *i2ctest.Bus) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := dev(t, b, "1:0x20").Write(ctx, 1); !errors.Is(err, context.Canceled) || errors.Is(err, drivers.ErrNoAnswer) {
			t.Errorf("%v", err)
		}
	})
}

func TestAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus.NewOn(slog.New(slog.DiscardHandler), func(string) (i2c.BusCloser, error) { return i2ctest.NewBus(), nil })
		running(t, b, func() {})
		if err := dev(t, b, "1:0x20").Write(t.Context(), 1); !errors.Is(err, bus.ErrStopped) {
			t.Errorf("%v", err)
		}
	})
}

// An adapter that was unplugged is opened again when it is back.
func TestAdapterUnplugged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := i2ctest.NewBus()
		fake.Attach(0x20, &memory{v: 7})
		there, opened := true, 0
		b := bus.NewOn(slog.New(slog.DiscardHandler), func(string) (i2c.BusCloser, error) {
			if !there {
				return nil, bus.ExplainOpen("/dev/i2c-9", os.ErrNotExist)
			}
			opened++
			return fake, nil
		})
		running(t, b, func() {
			d := dev(t, b, "9:0x20")
			if r, err := d.Read(t.Context(), 1); err != nil || r[0] != 7 {
				t.Fatal(r, err)
			}
			there = false
			fake.Fail(syscall.ENODEV)
			for range 2 { // first by the transfer, then by the open
				if err := d.Write(t.Context(), 1); !errors.Is(err, drivers.ErrAbsent) {
					t.Errorf("unplugged: %v is not ErrAbsent", err)
				}
			}
			there = true
			fake.Fail(0)
			if r, err := d.Read(t.Context(), 1); err != nil || r[0] != 7 || opened != 2 {
				t.Errorf("back: %v, %v, opened %d times", r, err, opened)
			}
		})
	})
}

// sysTree makes a fixture of /sys with one adapter, and one kernel driver on 0x48.
func sysTree(t *testing.T) string {
	root := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	soc := filepath.Join(root, "devices/platform/soc/fe804000.i2c")
	must(os.MkdirAll(filepath.Join(soc, "i2c-1/1-0048"), 0o755))
	must(os.WriteFile(filepath.Join(soc, "i2c-1/name"), []byte("bcm2835 (i2c@7e804000)\n"), 0o644))
	driver := filepath.Join(root, "bus/platform/drivers/i2c-bcm2835")
	must(os.MkdirAll(driver, 0o755))
	for _, f := range []string{"bind", "unbind"} {
		must(os.WriteFile(filepath.Join(driver, f), nil, 0o644))
	}
	must(os.Symlink(driver, filepath.Join(soc, "driver")))
	tmp102 := filepath.Join(root, "bus/i2c/drivers/tmp102")
	must(os.MkdirAll(tmp102, 0o755))
	must(os.Symlink(tmp102, filepath.Join(soc, "i2c-1/1-0048/driver")))
	devices := filepath.Join(root, "bus/i2c/devices")
	must(os.MkdirAll(devices, 0o755))
	must(os.Symlink(filepath.Join(soc, "i2c-1"), filepath.Join(devices, "i2c-1")))
	must(os.Symlink(filepath.Join(soc, "i2c-1/1-0048"), filepath.Join(devices, "1-0048")))
	return root
}

func TestKernelOwnsTheAddress(t *testing.T) {
	s := sysTree(t)
	b := bus.NewIn(slog.New(slog.DiscardHandler), nil, s)
	_, err := b.Dev(bus.Addr{Bus: "1", Chip: 0x48})
	if err == nil || !strings.Contains(err.Error(), "i2c bus 1, address 0x48: 0x48 belongs to the kernel's driver tmp102") {
		t.Errorf("%v", err)
	}
	if _, err := b.Dev(bus.Addr{Bus: "bcm2835 (i2c@7e804000)", Chip: 0x48}); err == nil {
		t.Error("by the adapter's name the owner was not seen")
	}
	if _, err := b.Dev(bus.Addr{Bus: "1", Chip: 0x49}); err != nil {
		t.Errorf("a free address: %v", err)
	}
	if all, err := bus.AdaptersIn(s); err != nil || len(all) != 1 || all[0] != (bus.Adapter{1, "bcm2835 (i2c@7e804000)"}) {
		t.Errorf("adapters %v, %v", all, err)
	}
	if _, err := bus.NumberIn(s, "CH341"); !errors.Is(err, drivers.ErrAbsent) {
		t.Errorf("an adapter that is not there: %v", err)
	}
}

// Three transfers in a row that the bus did not finish reset its adapter, once in a
// while; a chip that does not answer never does.
func TestHangingBusIsReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sysTree(t)
		fake := i2ctest.NewBus()
		b := bus.NewIn(slog.New(slog.DiscardHandler), func(string) (i2c.BusCloser, error) { return fake, nil }, s)
		running(t, b, func() {
			d := dev(t, b, "1:0x20")
			for range 10 {
				d.Write(t.Context(), 1)
			}
			if n := b.Stats()[0].Recovered; n != 0 {
				t.Errorf("a chip that is not there: %d resets", n)
			}
			fake.Fail(syscall.ETIMEDOUT)
			for range 10 {
				d.Write(t.Context(), 1)
			}
			st := b.Stats()[0]
			if st.Recovered != 1 || st.Transfers != 20 || st.Failed != 20 {
				t.Errorf("%+v, want one reset", st)
			}
			unbound, _ := os.ReadFile(filepath.Join(s, "bus/platform/drivers/i2c-bcm2835/unbind"))
			bound, _ := os.ReadFile(filepath.Join(s, "bus/platform/drivers/i2c-bcm2835/bind"))
			if string(unbound) != "fe804000.i2c" || string(bound) != "fe804000.i2c" {
				t.Errorf("unbind %q, bind %q", unbound, bound)
			}
			time.Sleep(bus.RecoverEvery)
			d.Write(t.Context(), 1)
			d.Write(t.Context(), 1)
			d.Write(t.Context(), 1)
			if n := b.Stats()[0].Recovered; n != 2 {
				t.Errorf("half a minute later: %d resets, want 2", n)
			}
			fake.Fail(0)
			d.Write(t.Context(), 1)
			if c := b.Counters(); len(c) != 1 || c[0].Bus != "i2c-1" || c[0].Reopens != 2 {
				t.Errorf("%+v, want a bus that was opened again twice", c)
			}
		})
	})
}

func TestTraceSeesEveryTransfer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := i2ctest.NewBus()
		fake.Attach(0x20, &memory{v: 5})
		b := bus.NewOn(slog.New(slog.DiscardHandler), func(string) (i2c.BusCloser, error) { return fake, nil })
		var seen []string
		b.SetTrace(func(a bus.Addr, w, r []byte, err error) {
			seen = append(seen, bus.FormatTransfer(a, w, r, err))
		})
		running(t, b, func() {
			dev(t, b, "1:0x20").Reg(t.Context(), 0xd0, 1)
			dev(t, b, "1:0x21").Write(t.Context(), 1, 2)
		})
		want := []string{"1:0x20  W d0  R d0", "1:0x21  W 01 02  no answer (wired? try: sensorgate scan i2c) (remote I/O error)"}
		if strings.Join(seen, "\n") != strings.Join(want, "\n") {
			t.Errorf("traced %q", seen)
		}
	})
}

// The real transfer against the real kernel, where there is a bus to open.
func TestOpenDevice(t *testing.T) {
	if _, err := bus.OpenDevice(filepath.Join(t.TempDir(), "i2c-1")); !errors.Is(err, drivers.ErrAbsent) || !strings.Contains(err.Error(), "dtparam=i2c_arm=on") {
		t.Errorf("no such bus: %v", err)
	}
	if _, err := bus.OpenDevice(os.DevNull); err == nil || !strings.Contains(err.Error(), "not an I2C adapter") {
		t.Errorf("/dev/null: %v", err)
	}
}

// Without root the reset is asked for, once in a while; what nobody took is withdrawn and said.
func TestResetOfAHangingBusIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, folder := sysTree(t), t.TempDir()
		unbind := filepath.Join(s, "bus/platform/drivers/i2c-bcm2835/unbind")
		if err := os.Remove(unbind); err != nil {
			t.Fatal(err)
		}
		// Which root may not write to either.
		if err := os.Symlink("/proc/sys/kernel/osrelease", unbind); err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		fake := i2ctest.NewBus()
		b := bus.NewAsking(slog.New(slog.NewTextHandler(&said, nil)), func(string) (i2c.BusCloser, error) { return fake, nil }, s, folder)
		request := filepath.Join(folder, "i2c-reset-1")
		hang := func(t *testing.T, d *bus.Dev) {
			for range 3 {
				d.Write(t.Context(), 1)
			}
		}
		running(t, b, func() {
			d := dev(t, b, "1:0x20")
			fake.Fail(syscall.ETIMEDOUT)
			hang(t, d)
			if _, err := os.Stat(request); err != nil || !strings.Contains(said.String(), "sensorgate-i2c-reset is asked") {
				t.Errorf("%v, want a request; said %s", err, said.String())
			}
			time.Sleep(bus.RecoverEvery)
			hang(t, d)
			if _, err := os.Stat(request); err == nil || !strings.Contains(said.String(), "systemctl enable --now sensorgate-i2c-reset.path") {
				t.Errorf("%v, want no request; said %s", err, said.String())
			}
			time.Sleep(bus.RecoverEvery)
			hang(t, d)
			if _, err := os.Stat(request); err != nil {
				t.Errorf("the third time: %v", err)
			}
		})
	})
}

// A display's driver has buses too, and is not taken from the display.
func TestOnlyDriversOfBusesAreReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sysTree(t)
		link := filepath.Join(s, "devices/platform/soc/fe804000.i2c/driver")
		gpu := filepath.Join(s, "bus/pci/drivers/i915")
		if err := errors.Join(os.MkdirAll(gpu, 0o755), os.WriteFile(filepath.Join(gpu, "unbind"), nil, 0o644), os.Remove(link), os.Symlink(gpu, link)); err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		fake := i2ctest.NewBus()
		b := bus.NewAsking(slog.New(slog.NewTextHandler(&said, nil)), func(string) (i2c.BusCloser, error) { return fake, nil }, s, t.TempDir())
		running(t, b, func() {
			d := dev(t, b, "1:0x20")
			fake.Fail(syscall.ETIMEDOUT)
			for range 3 {
				d.Write(t.Context(), 1)
			}
			if got, _ := os.ReadFile(filepath.Join(gpu, "unbind")); len(got) > 0 || !strings.Contains(said.String(), "i915 is not the driver of a bus alone") {
				t.Errorf("unbind %q; said %s", got, said.String())
			}
		})
	})
}
