package kernel

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
)

const goodW1 = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125"

// Scratchpads of real probes and the DS18B20 data sheet's table 1; the kernel's text
// around them is that of Documentation/w1/slaves/w1_therm.
func TestParseW1(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       float64
		err        string
	}{
		{name: "real probe", text: goodW1, want: 23.125},
		{name: "another", text: "73 01 4b 46 7f ff 0d 10 41 : crc=41 YES\n73 01 4b 46 7f ff 0d 10 41 t=23187", want: 23.187},
		{name: "below zero", text: "6f fe 4b 46 7f ff 01 10 00 : crc=00 YES\n6f fe 4b 46 7f ff 01 10 00 t=-25062", want: -25.062},
		{name: "85 measured", text: "50 05 4b 46 7f ff 10 10 00 : crc=00 YES\n50 05 4b 46 7f ff 10 10 00 t=85000", want: 85},
		{name: "85 at power-on", text: "50 05 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 05 4b 46 7f ff 0c 10 1c t=85000", err: "power-on value"},
		{name: "stale value after a wrong checksum", text: "ff ff ff ff ff ff ff ff ff : crc=c9 NO\n70 01 4b 46 7f ff 10 10 e1 t=23000", err: "checksum"},
		{name: "shorted bus", text: "00 00 00 00 00 00 00 00 00 : crc=00 YES\n00 00 00 00 00 00 00 00 00 t=0", err: "only zeros"},
		{name: "conversion under way", text: "", err: "under way"},
		{name: "half a file", text: "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES", err: "expected t="},
		{name: "no number", text: "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 t=warm", err: "expected t="},
		{name: "too few bytes", text: "72 01 : crc=57 YES\nt=23125", err: "nine bytes"},
	} {
		got, err := parseW1(c.text, w1Families["28"])
		if c.err != "" {
			driverstest.WantError(t, c.name, nil, err, c.err)
		} else if err != nil || got != c.want {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
}

func FuzzParseW1(f *testing.F) {
	f.Add(goodW1)
	f.Add("ff ff ff ff ff ff ff ff ff : crc=c9 NO\n70 01 4b 46 7f ff 10 10 e1 t=23000")
	f.Add("\nt=")
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parseW1(text, w1Families["28"])
		if err != nil && v != 0 {
			t.Errorf("value %v with error %v", v, err)
		}
	})
}

// bus makes a 1-Wire bus with probes, as the kernel shows it.
func (tr tree) bus(ids ...string) {
	for _, id := range ids {
		tr.write("devices/w1_bus_master1/"+id+"/w1_slave", goodW1)
		tr.link("devices/w1_bus_master1/"+id, "bus/w1/devices/"+id)
	}
}

func probe(id string) func(any) { return func(o any) { o.(*w1Options).ID = id } }

func TestW1Probe(t *testing.T) {
	const id = "28-01193a4b2c3d"
	tr := newTree(t)
	_, err := tr.open("w1", probe(id))
	driverstest.WantError(t, "no such probe", nil, err, id, "w1-gpio")
	if !errors.Is(err, drivers.ErrAbsent) {
		t.Errorf("%v is not ErrAbsent", err)
	}
	tr.bus(id)
	p := tr.mustOpen("w1", probe(id))
	rs, err := driverstest.Poll(t.Context(), p)
	driverstest.Check(t, "one probe", rs, err, []driverstest.Want{w("temperature", 23.125)})
	tr.remove("bus/w1/devices/" + id)
	rs, err = driverstest.Poll(t.Context(), p)
	driverstest.WantError(t, "unplugged", rs, err, id)
	tr.link("devices/w1_bus_master1/"+id, "bus/w1/devices/"+id)
	rs, err = driverstest.Poll(t.Context(), p)
	driverstest.Check(t, "back", rs, err, []driverstest.Want{w("temperature", 23.125)})
}

// Three probes convert together: one trigger, and no read before it is done.
func TestW1ManyProbesConvertTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := []string{"28-000000000001", "28-000000000002", "28-000000000003"}
		tr := newTree(t)
		tr.bus(ids...)
		bulk := filepath.Join(tr.root, "devices/w1_bus_master1/therm_bulk_read")
		tr.write("devices/w1_bus_master1/therm_bulk_read", "0")

		// The kernel's side: a trigger means -1 for 750 ms.
		triggers := 0
		ctx, cancel := context.WithCancel(t.Context())
		var kernel sync.WaitGroup
		defer kernel.Wait()
		defer cancel()
		kernel.Go(func() {
			for ctx.Err() == nil {
				if text, _ := os.ReadFile(bulk); string(text) == "trigger\n" || string(text) == "trigger\n\n" {
					triggers++
					tr.replace(bulk, "-1")
					time.Sleep(750 * time.Millisecond)
					tr.replace(bulk, "1")
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
		master := &w1Masters{root: sysfs(tr.root), all: map[string]*w1Master{}}
		m := master.of(filepath.Join(tr.root, "bus/w1/devices", ids[0]))
		if m != master.of(filepath.Join(tr.root, "bus/w1/devices", ids[2])) {
			t.Fatal("two probes of one bus have two masters")
		}
		start := time.Now()
		at := convert(t, m, ids[0])
		if took := time.Since(start); took < 750*time.Millisecond || took > time.Second {
			t.Errorf("the first probe waited %v, want the conversion's 750 ms", took)
		}
		for _, id := range ids[1:] {
			if got := convert(t, m, id); !got.Equal(at) {
				t.Errorf("%s: converted at %v, want %v, with the first", id, got, at)
			}
		}
		if triggers != 1 {
			t.Errorf("%d triggers, want 1 for three probes", triggers)
		}
		time.Sleep(2 * bulkFresh)
		if got := convert(t, m, ids[1]); !got.After(at) {
			t.Error("later the old conversion was taken")
		}
		if triggers != 2 {
			t.Errorf("%d triggers, want 2", triggers)
		}
	})
}

// replace changes a file in one step, as the kernel's attributes change.
func (tr tree) replace(path, text string) {
	if err := os.WriteFile(path+".new", []byte(text+"\n"), 0o644); err != nil {
		tr.t.Error(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		tr.t.Error(err)
	}
}

func convert(t *testing.T, m *w1Master, id string) time.Time {
	t.Helper()
	at, err := m.convert(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestW1BulkNotAllowed(t *testing.T) {
	tr := newTree(t)
	tr.bus("28-000000000001", "28-000000000002") // a kernel before 5.10: no therm_bulk_read
	p := tr.mustOpen("w1", probe("28-000000000001"))
	rs, err := driverstest.Poll(t.Context(), p)
	driverstest.Check(t, "each for itself", rs, err, []driverstest.Want{w("temperature", 23.125)})
}

func TestW1Options(t *testing.T) {
	for id, ok := range map[string]bool{
		"28-01193a4b2c3d": true, "10-000802be73fa": true, "1d-0000000f1a2b": true, "26-0000012a3b4c": true,
		"28-01193A4B2C3D": false, "28-0119": false, "": false, "3a-000000000001": false, "../28-01193a4b2c3d": false,
	} {
		if err := (&w1Options{ID: id}).Check(); (err == nil) != ok {
			t.Errorf("id %q: %v", id, err)
		}
	}
}

// What the kernel says and what it does not look at, by family.
func TestW1ProbesThatCouldNotMeasure(t *testing.T) {
	text := func(pad, milli string) string {
		return pad + " : crc=00 YES\n" + pad + " t=" + milli
	}
	for _, c := range []struct {
		name, family, text string
		want               float64
		err                string
	}{
		{name: "open thermocouple of a MAX31850", family: "3b", text: text("91 01 91 01 f0 ff ff ff 00", "25062"), err: "open"},
		{name: "thermocouple at 2000 °C", family: "3b", text: text("01 7d 91 19 f0 ff ff ff 00", "2000062"), err: "open"},
		{name: "shorted to GND and VDD", family: "3b", text: text("01 19 96 19 f0 ff ff ff 00", "400062"), err: "shorted to GND and shorted to VDD"},
		{name: "a fault without a reason", family: "3b", text: text("01 19 90 19 f0 ff ff ff 00", "400062"), err: "at fault"},
		{name: "the lowest bits of a MAX31850 are no temperature", family: "3b", text: text("92 01 90 19 f0 ff ff ff 00", "25125"), want: 25},
		{name: "below zero", family: "3b", text: text("fc ff 90 19 f0 ff ff ff 00", "-250"), want: -0.25},
		{name: "a DS18B20 that could not measure", family: "28", text: text("ff 07 4b 46 7f ff 0c 10 00", "127937"), err: "could not measure"},
		{name: "so a DS28EA00", family: "42", text: text("ff 07 4b 46 7f ff 0c 10 00", "127937"), err: "could not measure"},
		{name: "85 °C of a DS18S20 at power-on", family: "10", text: text("aa 00 4b 46 ff ff 0c 10 00", "85000"), err: "power-on value"},
		{name: "a DS18S20 without a count", family: "10", text: text("32 00 4b 46 ff ff 0c 00 00", "0"), err: "count"},
		{name: "a DS18S20", family: "10", text: text("32 00 4b 46 ff ff 08 10 00", "25250"), want: 25.25},
	} {
		got, err := parseW1(c.text, w1Families[c.family])
		if c.err != "" {
			driverstest.WantError(t, c.name, nil, err, c.err)
		} else if err != nil || got != c.want {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
}

func TestW1RangesAreThoseOfTheFamily(t *testing.T) {
	for id, c := range map[string]struct{ good, bad float64 }{
		"28-01193a4b2c3d": {125, 127.937}, "10-000802be73fa": {-55, -55.5}, "3b-0000001a2b3c": {1372, 1800}, "42-0000001a2b3c": {85, 86},
	} {
		ranges := drivers.RangesOf(sysfs("").w1(), drivers.DeviceConfig{Options: &w1Options{ID: id}}, nil)
		check := func(v float64) error {
			return ranges.Check(drivers.Reading{Channel: "temperature", Value: drivers.Number(v)})
		}
		if err := check(c.good); err != nil {
			t.Errorf("%s: %v", id, err)
		}
		if err := check(c.bad); !errors.Is(err, drivers.ErrImplausible) {
			t.Errorf("%s: %v is accepted", id, c.bad)
		}
	}
}
