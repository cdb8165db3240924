package serial

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
)

func noBuses(string) (*Bus, error) { return nil, errors.New("no shared buses here") }

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// pty gives a wire whose far end the test holds, and its path.
func pty(t testing.TB) (far *os.File, path string) {
	t.Helper()
	far, path, err := OpenPTY()
	if err != nil {
		t.Skip("no ptys here:", err)
	}
	t.Cleanup(func() { far.Close() })
	return far, path
}

// seen is what a Watcher reported.
type seen struct {
	r   drivers.Reading
	err error
}

// watch runs a device and gives what it reports.
func watch(t *testing.T, driver drivers.Driver, site drivers.DeviceConfig) <-chan seen {
	t.Helper()
	if c, ok := site.Options.(drivers.Checker); ok {
		if err := c.Check(); err != nil {
			t.Fatal(err)
		}
	}
	dev, err := driver.Open(t.Context(), site)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	reports, done := make(chan seen, 1000), make(chan struct{})
	go func() {
		defer close(done)
		dev.(drivers.Watcher).Watch(ctx, func(r drivers.Reading, err error) { reports <- seen{r, err} })
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		dev.(io.Closer).Close()
	})
	return reports
}

func next(t *testing.T, reports <-chan seen) seen {
	t.Helper()
	select {
	case s := <-reports:
		return s
	case <-time.After(5 * time.Second):
		t.Fatal("nothing was reported for 5 s")
		return seen{}
	}
}

func driverNamed(t testing.TB, name string) drivers.Driver {
	t.Helper()
	for _, d := range Drivers(noBuses, quiet()) {
		if d.Name == name {
			return d
		}
	}
	t.Fatalf("no driver %q", name)
	return drivers.Driver{}
}

func scale(path string) *LinesOptions {
	o := defaultLines().(*LinesOptions)
	o.Serial = &PortOptions{Port: path}
	o.Match = regexp.MustCompile(`^(?P<state>ST|US),(?:GS|NT),(?P<weight>[+-] *\d+\.\d+) *kg$`)
	o.Example = "ST,GS,+   1.234kg"
	return o
}

func TestLinesOfAScale(t *testing.T) {
	far, path := pty(t)
	reports := watch(t, driverNamed(t, "lines"), drivers.DeviceConfig{Device: "scale", Options: scale(path), Channels: []drivers.ChannelConfig{
		{Name: "weight", Unit: "kg", Options: &LineChannel{}},
	}})
	io.WriteString(far, "S,GS,+   9.999kg\r\nST,GS,+   1.234kg\r\nUS,NT,-   0.") // the first is the second half of something
	for _, want := range []string{"state=ST", "weight=1.234kg"} {
		if s := next(t, reports); s.err != nil || s.r.Channel+"="+s.r.Value.String()+s.r.Unit != want {
			t.Errorf("got %v, want %s", s, want)
		}
	}
	io.WriteString(far, "500kg\r\n")
	next(t, reports)
	if s := next(t, reports); s.r.Value != drivers.Number(-0.5) {
		t.Errorf("a line in two pieces: got %v, want -0.5", s)
	}
}

// A port that vanishes is told within 2 s, and works within 2 s of being back, here
// under the same name with another pty behind it.
func TestUnplugAndBack(t *testing.T) {
	far, path := pty(t)
	link := t.TempDir() + "/port"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	reports := watch(t, driverNamed(t, "lines"), drivers.DeviceConfig{Device: "scale", Options: scale(link)})
	io.WriteString(far, "ST,GS,+ 1.0kg\n")
	next(t, reports)
	next(t, reports)

	start := time.Now()
	os.Remove(link)
	far.Close()
	if s := next(t, reports); !errors.Is(s.err, drivers.ErrAbsent) || time.Since(start) > 2*time.Second {
		t.Errorf("unplugged: got %v after %v, want absent within 2 s", s, time.Since(start))
	}
	far2, path2 := pty(t)
	start = time.Now()
	os.Symlink(path2, link)
	io.WriteString(far2, "ST,GS,+ 2.0kg\n")
	for {
		s := next(t, reports)
		if s.err == nil && s.r.Channel == "weight" {
			break
		}
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("replugged: first reading after %v, want 2 s", took)
	}
}

func TestAbsentPortIsTold(t *testing.T) {
	o := scale(t.TempDir() + "/nothing")
	s := next(t, watch(t, driverNamed(t, "lines"), drivers.DeviceConfig{Device: "scale", Options: o}))
	if !errors.Is(s.err, drivers.ErrAbsent) || !strings.Contains(s.err.Error(), "scan serial") {
		t.Errorf("got %v, want absent and what to try", s.err)
	}
}

func TestPortInUseSaysByWhom(t *testing.T) {
	_, path := pty(t)
	first, err := openTTY(path, &PortOptions{Port: path})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_, err = openTTY(path, &PortOptions{Port: path})
	if err == nil || !strings.Contains(err.Error(), "in use by") || !strings.Contains(err.Error(), "pid") {
		t.Errorf("got %v, want who has it", err)
	}
}

func TestNotAPort(t *testing.T) {
	if _, err := openTTY("/dev/null", &PortOptions{Port: "/dev/null"}); err == nil || !strings.Contains(err.Error(), "not a serial port") {
		t.Errorf("got %v", err)
	}
}

// A 300 KB line without an end costs one error and no memory; the next line counts.
func TestEndlessLine(t *testing.T) {
	far, path := pty(t)
	reports := watch(t, driverNamed(t, "lines"), drivers.DeviceConfig{Device: "scale", Options: scale(path)})
	go func() {
		for range 300 {
			if _, err := far.WriteString(strings.Repeat("x", 1024)); err != nil {
				return
			}
		}
		io.WriteString(far, "ST,GS,+ 9.0kg\nST,GS,+ 2.0kg\n")
	}()
	if s := next(t, reports); s.err != nil || s.r.Channel != "state" {
		t.Errorf("got %v, want the first good line", s)
	}
	if s := next(t, reports); s.r.Value != drivers.Number(2) {
		t.Errorf("got %v, want 2: the end of the endless line is not a line", s)
	}
}

// A device that must be told to speak is told again when it comes back.
func TestHelloIsSaidAgain(t *testing.T) {
	link := t.TempDir() + "/port"
	o := scale(link)
	o.Init = []field.Bytes{field.Bytes("SIR\r")}
	reports := watch(t, driverNamed(t, "lines"), drivers.DeviceConfig{Device: "scale", Options: o}) // the port is not there yet
	for range 2 {
		far, path := pty(t)
		os.Remove(link)
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		hello := make([]byte, 4)
		far.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.ReadFull(far, hello); err != nil || string(hello) != "SIR\r" {
			t.Fatalf("the device heard %q, %v", hello, err)
		}
		io.WriteString(far, "ST,GS,+ 1.0kg\n")
		for s := next(t, reports); s.err != nil; s = next(t, reports) {
		}
		next(t, reports)
		far.Close()
	}
}

// A wire full of noise is told of once, not with every broken line.
func TestNoiseIsToldOnce(t *testing.T) {
	far, path := pty(t)
	reports := watch(t, driverNamed(t, "lines"), drivers.DeviceConfig{Device: "scale", Options: scale(path)})
	for range 100 {
		io.WriteString(far, "bla\nbla\nbla\nST,GS,+ 1.0kg\n")
	}
	told, good := 0, 0
	for good < 200 {
		if s := next(t, reports); s.err != nil {
			told++
		} else {
			good++
		}
	}
	if told != 1 {
		t.Errorf("told %d times, want once", told)
	}
}

// A relay board that is told with bytes, and prints what it did.
func TestOrders(t *testing.T) {
	far, path := pty(t)
	o := defaultLines().(*LinesOptions)
	o.Serial = &PortOptions{Port: path}
	relay := &LineChannel{Selector: Selector{Key: "RELAY"}, Commands: Commands{Set: map[string]field.Bytes{"on": {0xA0, 1, 1, 0xA2}, "off": {0xA0, 1, 0, 0xA1}, "blink": {7}}}}
	if out := relay.Outputs(); len(out) != 1 || !out[0].Writable {
		t.Errorf("outputs %v, want a writable channel", out)
	}
	dev, err := driverNamed(t, "lines").Open(t.Context(), drivers.DeviceConfig{Options: o, Channels: []drivers.ChannelConfig{
		{Name: "relay", Options: relay}, {Name: "other", Options: &LineChannel{}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.(io.Closer).Close()
	for payload, want := range map[string]string{"on": "\xa0\x01\x01\xa2", "false": "\xa0\x01\x00\xa1", "blink": "\x07"} {
		if err := dev.(drivers.Commander).Command(t.Context(), drivers.Command{Channel: "relay", Payload: []byte(payload)}); err != nil {
			t.Error(err)
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(far, got); err != nil || string(got) != want {
			t.Errorf("%s: sent % X, %v, want % X", payload, got, err, want)
		}
	}
	for _, bad := range []struct {
		channel, payload string
		want             error
	}{{"relay", "maybe", drivers.ErrRefused}, {"other", "on", drivers.ErrNoCommands}} {
		err := dev.(drivers.Commander).Command(t.Context(), drivers.Command{Channel: bad.channel, Payload: []byte(bad.payload)})
		if !errors.Is(err, bad.want) {
			t.Errorf("%s %s: got %v, want %v", bad.channel, bad.payload, err, bad.want)
		}
	}
}
