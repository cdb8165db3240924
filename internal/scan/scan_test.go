package scan

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers/serial"
)

// sink collects.
type sink struct {
	found    []Found
	failed   []string
	progress []Progress
}

func (s *sink) take() Sink {
	return Sink{
		Progress: func(p Progress) { s.progress = append(s.progress, p) },
		Found:    func(f Found) { s.found = append(s.found, f) },
		Failed:   func(kind string, err error) { s.failed = append(s.failed, kind+": "+err.Error()) },
	}
}

// A board without any of it is scanned to its end.
func TestEverythingIsScanned(t *testing.T) {
	var s sink
	if err := Run(t.Context(), Options{Kinds: []string{"serial", "w1", "gpio"}}, s.take()); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, p := range s.progress {
		kinds[p.Kind] = true
	}
	if len(kinds) != 3 {
		t.Errorf("kinds %v", kinds)
	}
	if err := Run(t.Context(), Options{Kinds: []string{"usb"}}, s.take()); err == nil || !strings.Contains(err.Error(), "expected one of") {
		t.Errorf("a kind that does not exist: %v", err)
	}
}

// A port that a device of the gateway has is not asked: a question in another line setting
// would disturb it.
func TestUsedPortIsNotAsked(t *testing.T) {
	master, path, err := serial.OpenPTY()
	if err != nil {
		t.Skipf("skipped: no ptys here: %v", err)
	}
	defer master.Close()
	var s sink
	o := Options{Kinds: []string{"modbus"}, Port: path, Used: func(kind, where string) string {
		if kind == "serial" && where == path {
			return "device.grid"
		}
		return ""
	}}
	if err := Run(t.Context(), o, s.take()); err != nil || len(s.failed) != 1 || !strings.Contains(s.failed[0], "used by device.grid") || len(s.progress) != 1 {
		t.Errorf("%v, failed %q, %d questions", err, s.failed, len(s.progress)-1)
	}
}

// A wire on which nobody answers says so, with what to try, and a scan can be stopped.
func TestSilentWireAndStop(t *testing.T) {
	master, path, err := serial.OpenPTY()
	if err != nil {
		t.Skipf("skipped: no ptys here: %v", err)
	}
	defer master.Close()
	lines, err := ParseLines("9600 8N1")
	if err != nil {
		t.Fatal(err)
	}
	var s sink
	o := Options{Kinds: []string{"modbus"}, Port: path, Lines: lines, Units: []byte{1, 2}, Timeout: time.Millisecond}
	if err := Run(t.Context(), o, s.take()); err != nil || len(s.failed) != 1 || !strings.Contains(s.failed[0], "no unit answered") {
		t.Errorf("%v, failed %q", err, s.failed)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := Run(ctx, o, s.take()); !errors.Is(err, context.Canceled) {
		t.Errorf("a scan that is stopped: %v", err)
	}
}

func TestProposals(t *testing.T) {
	taken := map[string]bool{"bme280": true, "bme280_2": true}
	for wish, want := range map[string]string{"bme280": "bme280_3", "SDM 630/x": "sdm_630_x", "": "device", "#+": "device"} {
		if got := Proposal(wish, func(n string) bool { return taken[n] }); got != want {
			t.Errorf("%q becomes %q, want %q", wish, got, want)
		}
	}
	drivers := []string{"nmea", "p1"}
	for choice, want := range map[string]string{"nmea": "driver = \"nmea\"\nx\n", "eastron/sdm630": "model  = \"eastron/sdm630\"\nx\n"} {
		if got := WithModel("x\n", choice, drivers); got != want {
			t.Errorf("%s: %q, want %q", choice, got, want)
		}
	}
	for port, want := range map[string]string{"/dev/ttyUSB0": "port", "0403:6001": "usb", "10.0.0.5:502": "tcp"} {
		if got := portKey(port); got != want {
			t.Errorf("%s stands under %q, want %q", port, got, want)
		}
	}
}

// What somebody sends as units and line settings is refused or in range.
func FuzzUnitsAndLines(f *testing.F) {
	f.Add("1-10,100", "9600 8N1,19200 8E1")
	f.Add("0-3", "x")
	f.Add("247-1", "115200 7O2,")
	f.Fuzz(func(t *testing.T, units, lines string) {
		us, err := ParseUnits(units)
		for _, u := range us {
			if u < 1 || u > 247 {
				t.Errorf("%q has the unit %d (%v)", units, u, err)
			}
		}
		if _, err := ParseLines(lines); err == nil && lines == "" {
			t.Error("no line setting is none")
		}
	})
}
