package serial

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/timing"
)

// pipe returns a bus whose far end the test holds, on virtual time. stop ends it.
func pipe(o PortOptions) (b *Bus, far net.Conn, stop func()) {
	near, far := net.Pipe()
	b = NewBusOver("wire", o, func(context.Context) (net.Conn, error) { return near, nil }, quiet())
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { b.Run(ctx) })
	return b, far, func() { cancel(); far.Close(); done.Wait() }
}

// Commands come before polls, polls in the order of their due times, probes last and
// seldom.
func TestQueueOrder(t *testing.T) {
	now := time.Unix(1000, 0)
	var q queue
	add := func(p Priority, due time.Duration) *queued {
		j := &queued{Job: Job{Priority: p, Due: now.Add(due)}}
		q.add(j, now)
		return j
	}
	probe, late, early, command := add(Probe, 0), add(Poll, 2), add(Poll, 1), add(Command, 3)
	for i, want := range []*queued{command, early, late, probe} {
		if got, _ := q.next(now); got != want {
			t.Errorf("%d: got %v, want %v", i, got.Job, want.Job)
		}
	}
	q.ran(probe, now, now.Add(time.Second)) // cost a second, so the next one waits nine
	second := add(Probe, 0)
	if j, wait := q.next(now.Add(time.Second)); j != nil || wait != 9*time.Second {
		t.Errorf("got %v, wait %v, want to wait 9 s", j, wait)
	}
	// On a wire that is never idle it gets its turn at last.
	add(Poll, 29*time.Second)
	if j, _ := q.next(now.Add(31 * time.Second)); j != second {
		t.Error("a probe that waited for 30 s does not come before a poll that is due later")
	}
}

func TestQueueIsBounded(t *testing.T) {
	var q queue
	for range maxQueued {
		if !q.add(&queued{}, time.Now()) {
			t.Fatal("refused too early")
		}
	}
	if q.add(&queued{}, time.Now()) {
		t.Error("takes more than it says")
	}
}

// Who returns up while it waits is not served any more.
func TestDoGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, far, stop := pipe(PortOptions{})
		defer stop()
		go io.Copy(io.Discard, far)
		busy := make(chan struct{})
		go b.Do(context.Background(), Job{Run: func(*Transaction) error { <-busy; return nil }})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		ran := false
		if err := b.Do(ctx, Job{Run: func(*Transaction) error { ran = true; return nil }}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
		close(busy)
		synctest.Wait()
		if ran {
			t.Error("the job ran after its owner had gone")
		}
	})
}

// While a device has its turn the listeners hear nothing, and they hear it all before and after.
func TestListenersDoNotHearAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, far, stop := pipe(PortOptions{})
		defer stop()
		l := b.Listen()
		defer l.Close()
		go func() {
			far.Write([]byte("before"))
			far.Read(make([]byte, 10))
			far.Write([]byte("answer"))
			time.Sleep(time.Second)
			far.Write([]byte("after"))
		}()
		c, err := l.Next(t.Context(), time.Time{})
		if err != nil || string(c.Data) != "before" {
			t.Errorf("got %q, %v", c.Data, err)
		}
		err = b.Do(t.Context(), Job{Run: func(s *Transaction) error {
			if err := s.Write([]byte("?")); err != nil {
				return err
			}
			buf := make([]byte, 10)
			n, _, err := s.Read(buf, time.Now().Add(time.Second))
			if string(buf[:n]) != "answer" {
				t.Errorf("the transaction got %q, %v", buf[:n], err)
			}
			if _, _, err := s.Read(buf, time.Now().Add(100*time.Millisecond)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("got %v, want the deadline", err)
			}
			return nil
		}})
		if err != nil {
			t.Error(err)
		}
		if c, err := l.Next(t.Context(), time.Time{}); err != nil || string(c.Data) != "after" {
			t.Errorf("got %q, %v, want what came after the turn", c.Data, err)
		}
	})
}

// A listener that does not come is not waited for, and learns what it lost.
func TestSlowListenerLearnsWhatItLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, far, stop := pipe(PortOptions{})
		defer stop()
		l := b.Listen()
		defer l.Close()
		for range 40 {
			far.Write(make([]byte, readBuffer))
		}
		synctest.Wait()
		if _, err := l.Next(t.Context(), time.Time{}); err == nil || !strings.Contains(err.Error(), "bytes lost") {
			t.Errorf("got %v, want how many bytes were lost", err)
		}
		if _, err := l.Next(t.Context(), time.Time{}); err != nil {
			t.Errorf("after that: %v", err)
		}
	})
}

func TestEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, far, stop := pipe(PortOptions{Echo: true})
		defer stop()
		go func() {
			buf := make([]byte, 10)
			n, _ := far.Read(buf)
			far.Write(append(buf[:n:n], "answer"...)) // the adapter hears us, then the device
			n, _ = far.Read(buf)
			buf[0] ^= 0xFF // two at once
			far.Write(buf[:n])
			far.Read(buf) // and no echo at all
		}()
		exchange := func() (string, error) {
			var got string
			err := b.Do(t.Context(), Job{Run: func(s *Transaction) error {
				s.Flush()
				if err := s.Write([]byte("hello")); err != nil {
					return err
				}
				buf := make([]byte, 20)
				n, _, err := s.Read(buf, time.Now().Add(time.Second))
				got = string(buf[:n])
				return err
			}})
			return got, err
		}
		if got, err := exchange(); err != nil || got != "answer" {
			t.Errorf("got %q, %v, want the answer without the echo", got, err)
		}
		if _, err := exchange(); err == nil || !strings.Contains(err.Error(), "somebody else") {
			t.Errorf("a collision: got %v", err)
		}
		if _, err := exchange(); err == nil || !strings.Contains(err.Error(), "no echo") {
			t.Errorf("no echo: got %v", err)
		}
	})
}

// A wire that somebody floods is not waited for forever, and costs bounded memory.
func TestFloodedTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, far, stop := pipe(PortOptions{})
		var flood sync.WaitGroup
		defer flood.Wait()
		defer stop()
		flood.Go(func() {
			for {
				if _, err := far.Write(make([]byte, 64)); err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		})
		l := b.Listen()
		defer l.Close()
		l.Next(t.Context(), time.Time{}) // the flood has begun
		err := b.Do(t.Context(), Job{Run: func(s *Transaction) error { return s.Quiet(10 * time.Millisecond) }})
		if err == nil || !strings.Contains(err.Error(), "never silent") {
			t.Errorf("got %v, want that it is never silent", err)
		}
		err = b.Do(t.Context(), Job{Run: func(s *Transaction) error {
			s.Pause(3 * time.Second) // 192 KB come
			_, _, err := s.Read(make([]byte, 10), time.Now().Add(time.Second))
			return err
		}})
		if err == nil || !strings.Contains(err.Error(), "without a pause") {
			t.Errorf("got %v, want that too much came", err)
		}
	})
}

func TestLostPortEndsATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, far, stop := pipe(PortOptions{})
		defer stop()
		time.AfterFunc(time.Second, func() { far.Close() })
		start := time.Now()
		err := b.Do(t.Context(), Job{Run: func(s *Transaction) error {
			_, _, err := s.Read(make([]byte, 1), time.Now().Add(time.Hour))
			return err
		}})
		if !errors.Is(err, drivers.ErrAbsent) || time.Since(start) > 2*time.Second {
			t.Errorf("got %v after %v, want absent after 1 s", err, time.Since(start))
		}
	})
}

// A panic in one device's exchange costs that device, not its neighbours on the wire.
func TestPanicInAnExchangeCostsOnlyWhoAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, stop := pipe(PortOptions{})
		defer stop()
		err := b.Do(t.Context(), Job{Run: func(*Transaction) error { panic("a decoder's fault") }})
		var p *drivers.PanicError
		if !errors.As(err, &p) || !strings.Contains(string(p.Stack), "bus_test.go") {
			t.Errorf("got %v, want the panic with its stack", err)
		}
		if err := b.Do(t.Context(), Job{Run: func(*Transaction) error { return nil }}); err != nil {
			t.Errorf("the neighbour: %v", err)
		}
	})
}

// A device with a line of its own gets it for its turn, and the bus its own after that.
func TestLineIsSwitchedForATurn(t *testing.T) {
	_, path := pty(t)
	var nine, slow Line
	if err := errors.Join(nine.UnmarshalText([]byte("9600 8N1")), slow.UnmarshalText([]byte("300 7E1"))); err != nil {
		t.Fatal(err)
	}
	b := NewBus("wire", PortOptions{Port: path, Line: nine}, quiet())
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { b.Run(ctx) })
	defer func() { cancel(); done.Wait() }()
	look := func(l Line) (baud int) {
		err := b.Do(ctx, Job{Line: l, Run: func(s *Transaction) error {
			baud = s.conn.(*tty).line.Baud
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		return baud
	}
	for i, want := range []struct {
		line Line
		baud int
	}{{Line{}, 9600}, {slow, 300}, {Line{}, 9600}, {slow, 300}} {
		if got := look(want.line); got != want.baud {
			t.Errorf("turn %d: %d baud, want %d", i, got, want.baud)
		}
	}
}

// Every speed is set, also one that no constant exists for.
func TestOddSpeeds(t *testing.T) {
	for _, baud := range []string{"50", "12345", "31250", "250000", "921600", "4000000"} {
		_, path := pty(t)
		o := PortOptions{Port: path}
		if err := o.Line.UnmarshalText([]byte(baud + " 8E2")); err != nil {
			t.Fatal(err)
		}
		p, err := openTTY(path, &o)
		if err != nil && strings.Contains(err.Error(), "function not implemented") {
			t.Logf("%s: this is not a real kernel (qemu-user has no TCSETS2)", baud)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", baud, err)
			continue
		}
		p.Close()
	}
}

func TestRS485OnAPortThatCannot(t *testing.T) {
	_, path := pty(t)
	if _, err := openTTY(path, &PortOptions{Port: path, RS485: RS485Kernel}); err == nil || !strings.Contains(err.Error(), `rs485 = "rts"`) {
		t.Errorf("got %v, want what to try", err)
	}
}

// A write into a port that takes nothing ends, with an error, and so does closing it.
func TestStuckWriteEnds(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	_, path := pty(t) // nobody reads the far end
	p, err := openTTY(path, &PortOptions{Port: path, Line: Line{Baud: 4000000, Bits: 8, Parity: 'N', Stop: 1}})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for err == nil && time.Since(start) < 10*time.Second {
		err = p.Write(make([]byte, 16<<10))
	}
	if err == nil {
		t.Error("a pty that nobody reads takes everything")
	}
	p.Close()
	if took := time.Since(start); took > timing.Limit(6*time.Second) {
		t.Errorf("write and close took %v", took)
	}
}

// The kernel's view of two adapters, one of which comes back under another number.
func TestUSBAdapterUnderAnotherNumber(t *testing.T) {
	root := t.TempDir()
	s := system{sys: root + "/sys", dev: root + "/dev", proc: root + "/proc"}
	plug := func(port, tty, serial string) {
		usb := filepath.Join(root, "sys/devices/usb1", port)
		for name, text := range map[string]string{
			port + ":1.0/" + tty + "/tty/" + tty + "/x": "", "idVendor": "0403", "idProduct": "6001", "serial": serial, "manufacturer": "FTDI", "product": "FT232R",
		} {
			file := filepath.Join(usb, name)
			os.MkdirAll(filepath.Dir(file), 0o755)
			os.WriteFile(file, []byte(text+"\n"), 0o644)
		}
		class := filepath.Join(root, "sys/class/tty", tty)
		os.MkdirAll(class, 0o755)
		os.Symlink(filepath.Join(usb, port+":1.0", tty), filepath.Join(class, "device"))
		byID := filepath.Join(root, "dev/serial/by-id")
		os.MkdirAll(byID, 0o755)
		os.WriteFile(filepath.Join(root, "dev", tty), nil, 0o644)
		os.Remove(filepath.Join(byID, "usb-FTDI_"+serial))
		os.Symlink("../../"+tty, filepath.Join(byID, "usb-FTDI_"+serial))
	}
	plug("1-1", "ttyUSB0", "AAA")
	want := USBID{Vendor: "0403", Product: "6001"}
	if got, err := s.findUSB(want); err != nil || got != root+"/dev/ttyUSB0" {
		t.Errorf("got %q, %v", got, err)
	}
	plug("1-2", "ttyUSB1", "BBB")
	if _, err := s.findUSB(want); err == nil || !strings.Contains(err.Error(), "2 adapters fit") {
		t.Errorf("two that fit: got %v", err)
	}
	want.Serial = "AAA"
	os.RemoveAll(root + "/sys/class/tty/ttyUSB0")
	os.RemoveAll(root + "/sys/devices/usb1/1-1")
	if _, err := s.findUSB(want); !errors.Is(err, drivers.ErrAbsent) {
		t.Errorf("unplugged: got %v, want absent", err)
	}
	plug("1-3", "ttyUSB7", "AAA")
	if got, err := s.findUSB(want); err != nil || got != root+"/dev/ttyUSB7" {
		t.Errorf("replugged elsewhere: got %q, %v", got, err)
	}
	list, err := s.ports()
	if err != nil || len(list) != 2 || list[1].Name != "FTDI FT232R" || len(list[1].Stable) != 1 {
		t.Errorf("list: %+v, %v", list, err)
	}
}

func TestPortOptionsAreChecked(t *testing.T) {
	yes := true
	for what, o := range map[string]PortOptions{
		"nothing": {}, "two": {Port: "/dev/x", TCP: "h:1"}, "no port number": {TCP: "h"},
		"line over tcp": {TCP: "h:1", Line: Line{Baud: 9600}}, "rts twice": {Port: "/dev/x", RS485: RS485RTS, RTS: &yes},
		"pause": {Port: "/dev/x", Pause: time.Hour},
	} {
		if _, ok := o.Check().(*drivers.KeyError); !ok {
			t.Errorf("%s was accepted", what)
		}
	}
	for _, bad := range []string{"0403", "0403:60", "0403:6001:", "x403:6001"} {
		if new(USBID).UnmarshalText([]byte(bad)) == nil {
			t.Errorf("usb = %q was accepted", bad)
		}
	}
	for _, bad := range []string{"", "9600 8X1", "9600 8N3", "9600 4N1", "10 8N1", "5000000", "9600 8N1 x"} {
		if new(Line).UnmarshalText([]byte(bad)) == nil {
			t.Errorf("line = %q was accepted", bad)
		}
	}
	for name, want := range map[string]string{"ttyUSB0": "/dev/ttyUSB0", "/tmp/x": "/tmp/x", "0403:6001": "0403:6001", "host:4001": "host:4001"} {
		o, err := ParsePort(name, Line{})
		if err != nil || !strings.HasSuffix(o.where(), want) {
			t.Errorf("%s: got %s, %v", name, o.where(), err)
		}
	}
}
