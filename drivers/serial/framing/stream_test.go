package framing

import (
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/serialtest"
	"sensorgate/internal/timing"
)

func scale(path string) *LinesOptions {
	o := defaultLines().(*LinesOptions)
	o.Serial = &serial.PortOptions{Port: path}
	o.Match = regexp.MustCompile(`^(?P<state>ST|US),(?:GS|NT),(?P<weight>[+-] *\d+\.\d+) *kg$`)
	o.Example = "ST,GS,+   1.234kg"
	return o
}

func TestLinesOfAScale(t *testing.T) {
	far, path := serialtest.PTY(t)
	reports := serialtest.Watch(t, serialtest.Named(t, Drivers(serialtest.NoBuses, serialtest.Quiet()), "lines"), drivers.DeviceConfig{Device: "scale", Options: scale(path), Channels: []drivers.ChannelConfig{
		{Name: "weight", Unit: "kg", Options: &LineChannel{}},
	}})
	io.WriteString(far, "S,GS,+   9.999kg\r\nST,GS,+   1.234kg\r\nUS,NT,-   0.") // the first is the second half of something
	for _, want := range []string{"state=ST", "weight=1.234kg"} {
		if s := serialtest.Next(t, reports); s.Err != nil || s.Reading.Channel+"="+s.Reading.Value.String()+s.Reading.Unit != want {
			t.Errorf("got %v, want %s", s, want)
		}
	}
	io.WriteString(far, "500kg\r\n")
	serialtest.Next(t, reports)
	if s := serialtest.Next(t, reports); s.Reading.Value != drivers.Number(-0.5) {
		t.Errorf("a line in two pieces: got %v, want -0.5", s)
	}
}

// A port that vanishes is reported within 2 s, and works within 2 s of being back, here
// under the same name with another pty behind it.
func TestUnplugAndBack(t *testing.T) {
	far, path := serialtest.PTY(t)
	link := t.TempDir() + "/port"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	reports := serialtest.Watch(t, serialtest.Named(t, Drivers(serialtest.NoBuses, serialtest.Quiet()), "lines"), drivers.DeviceConfig{Device: "scale", Options: scale(link)})
	io.WriteString(far, "ST,GS,+ 1.0kg\n")
	serialtest.Next(t, reports)
	serialtest.Next(t, reports)

	start := time.Now()
	os.Remove(link)
	far.Close()
	if s := serialtest.Next(t, reports); !errors.Is(s.Err, drivers.ErrAbsent) || time.Since(start) > timing.Limit(2*time.Second) {
		t.Errorf("unplugged: got %v after %v, want absent within 2 s", s, time.Since(start))
	}
	far2, path2 := serialtest.PTY(t)
	start = time.Now()
	os.Symlink(path2, link)
	io.WriteString(far2, "ST,GS,+ 2.0kg\n")
	for {
		s := serialtest.Next(t, reports)
		if s.Err == nil && s.Reading.Channel == "weight" {
			break
		}
	}
	if took := time.Since(start); took > timing.Limit(2*time.Second) {
		t.Errorf("replugged: first reading after %v, want 2 s", took)
	}
}

func TestAbsentPortIsReported(t *testing.T) {
	o := scale(t.TempDir() + "/nothing")
	s := serialtest.Next(t, serialtest.Watch(t, serialtest.Named(t, Drivers(serialtest.NoBuses, serialtest.Quiet()), "lines"), drivers.DeviceConfig{Device: "scale", Options: o}))
	if !errors.Is(s.Err, drivers.ErrAbsent) || !strings.Contains(s.Err.Error(), "scan serial") {
		t.Errorf("got %v, want absent and what to try", s.Err)
	}
}

// A 300 KB line without an end costs one error and no memory; the next line counts.
func TestEndlessLine(t *testing.T) {
	far, path := serialtest.PTY(t)
	reports := serialtest.Watch(t, serialtest.Named(t, Drivers(serialtest.NoBuses, serialtest.Quiet()), "lines"), drivers.DeviceConfig{Device: "scale", Options: scale(path)})
	go func() {
		for range 300 {
			if _, err := far.WriteString(strings.Repeat("x", 1024)); err != nil {
				return
			}
		}
		io.WriteString(far, "ST,GS,+ 9.0kg\nST,GS,+ 2.0kg\n")
	}()
	if s := serialtest.Next(t, reports); s.Err != nil || s.Reading.Channel != "state" {
		t.Errorf("got %v, want the first good line", s)
	}
	if s := serialtest.Next(t, reports); s.Reading.Value != drivers.Number(2) {
		t.Errorf("got %v, want 2: the end of the endless line is not a line", s)
	}
}

// A device that must be asked to speak is asked again when it comes back.
func TestInitIsSentAgain(t *testing.T) {
	link := t.TempDir() + "/port"
	o := scale(link)
	o.Init = []field.Bytes{field.Bytes("SIR\r")}
	reports := serialtest.Watch(t, serialtest.Named(t, Drivers(serialtest.NoBuses, serialtest.Quiet()), "lines"), drivers.DeviceConfig{Device: "scale", Options: o}) // the port is not there yet
	for range 2 {
		far, path := serialtest.PTY(t)
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
		for s := serialtest.Next(t, reports); s.Err != nil; s = serialtest.Next(t, reports) {
		}
		serialtest.Next(t, reports)
		far.Close()
	}
}

// A wire full of noise is reported once, not with every broken line.
func TestNoiseIsReportedOnce(t *testing.T) {
	far, path := serialtest.PTY(t)
	reports := serialtest.Watch(t, serialtest.Named(t, Drivers(serialtest.NoBuses, serialtest.Quiet()), "lines"), drivers.DeviceConfig{Device: "scale", Options: scale(path)})
	for range 100 {
		io.WriteString(far, "bla\nbla\nbla\nST,GS,+ 1.0kg\n")
	}
	reported, good := 0, 0
	for good < 200 {
		if s := serialtest.Next(t, reports); s.Err != nil {
			reported++
		} else {
			good++
		}
	}
	if reported != 1 {
		t.Errorf("reported %d times, want once", reported)
	}
}

// A relay board that is commanded with bytes, and prints what it did.
func TestCommandsAreBytes(t *testing.T) {
	far, path := serialtest.PTY(t)
	o := defaultLines().(*LinesOptions)
	o.Serial = &serial.PortOptions{Port: path}
	relay := &LineChannel{Selector: Selector{Key: "RELAY"}, Commands: Commands{Set: map[string]field.Bytes{"on": {0xA0, 1, 1, 0xA2}, "off": {0xA0, 1, 0, 0xA1}, "blink": {7}}}}
	if out := relay.Outputs(); len(out) != 1 || !out[0].Writable {
		t.Errorf("outputs %v, want a writable channel", out)
	}
	dev, err := serialtest.Named(t, Drivers(serialtest.NoBuses, serialtest.Quiet()), "lines").Open(t.Context(), drivers.DeviceConfig{Options: o, Channels: []drivers.ChannelConfig{
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
