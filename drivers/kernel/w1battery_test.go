package kernel

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
)

// attribute writes a file that is no text, in the folder of a 1-Wire chip.
func (tr tree) attribute(id, name string, b ...byte) {
	tr.t.Helper()
	dir := filepath.Join(tr.root, "devices/w1_bus_master1", id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tr.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
		tr.t.Fatal(err)
	}
	if at := filepath.Join(tr.root, "bus/w1/devices", id); !exists(at) {
		tr.link("devices/w1_bus_master1/"+id, "bus/w1/devices/"+id)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// page is a line of w1_ds2423: the counter among its 42 bytes.
func page(counter, sum string) string {
	return "00 " + counter + " 00 00 00 00 e0 1f 00" + strings.Repeat(" ff", 30) + " " + sum
}

// The counters of Documentation/w1/slaves/w1_ds2423, 408798761 and 5, and what the kernel makes
// of one past the middle of its range.
func TestW1Counters(t *testing.T) {
	const id = "1d-0000000f1a2b"
	two := page("02 00 00 00", "crc=YES c=2")
	a, b := page("29 c6 5d 18", "crc=YES c=408798761"), page("05 00 00 00", "crc=YES c=5")
	tr := newTree(t)
	tr.attribute(id, "w1_slave", []byte(two+"\n"+two+"\n"+a+"\n"+b+"\n")...)
	p := tr.mustOpen("w1", probe(id))
	rs, err := driverstest.Poll(t.Context(), p)
	driverstest.Check(t, "the kernel's example", rs, err, []driverstest.Want{w("a", 408798761), w("b", 5)})
	for _, c := range []struct {
		name, third, fourth string
		want                []driverstest.Want
		err                 string
	}{
		{"past the middle", page("fe ff ff ff", "crc=YES c=-2"), b, []driverstest.Want{w("a", 4294967294), w("b", 5)}, ""},
		{"a wrong checksum", page("e1 61 5d 19", "crc=NO"), b, []driverstest.Want{w("b", 5)}, "a: checksum"},
		{"no zeros behind the counter", "00 29 c6 5d 18 00 01 00 00 04 37 crc=YES c=408798761", b, []driverstest.Want{w("b", 5)}, "a: found 00 01 00 00"},
		{"half a line", "00 29 c6", b, []driverstest.Want{w("b", 5)}, "a: found"},
	} {
		tr.attribute(id, "w1_slave", []byte(two+"\n"+two+"\n"+c.third+"\n"+c.fourth+"\n")...)
		rs, err := driverstest.Poll(t.Context(), p)
		driverstest.Check(t, c.name, rs, nil, c.want)
		if c.err != "" {
			driverstest.WantError(t, c.name, nil, err, id, c.err)
		} else if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	tr.attribute(id, "w1_slave", []byte("Connection error")...)
	rs, err = driverstest.Poll(t.Context(), p)
	driverstest.WantError(t, "nobody there", rs, err, "expected four lines", "Connection error")
}

func FuzzParseDS2423(f *testing.F) {
	f.Add(page("29 c6 5d 18", "crc=YES c=408798761"))
	f.Add(page("02 00 00 22", "crc=NO"))
	f.Add("00 29 c6")
	f.Fuzz(func(t *testing.T, line string) {
		if v, err := parseCounter(line); err != nil && v != 0 {
			t.Errorf("%d with error %v", v, err)
		}
	})
}

// battery writes what w1_ds2438 shows of -10.25 °C, 5.02 V and 1.23 V.
func (tr tree) battery(id string, page0 ...byte) {
	for name, text := range map[string]string{"temperature": "-2624\n", "vdd": "502\n", "vad": "123\n"} {
		tr.attribute(id, name, []byte(text)...)
	}
	tr.attribute(id, "page0", page0...)
}

func TestW1Battery(t *testing.T) {
	const id = "26-0000012a3b4c"
	base := []driverstest.Want{w("temperature", -10.25), w("vdd", 5.02), w("vad", 1.23)}
	tr := newTree(t)
	// 0x0a0d and 0x20 are what a text is trimmed of.
	tr.battery(id, 0x0f, 0x00, 0xf6, 0xf6, 0x01, 0x66, 0xfe, 0x20)
	rs, err := driverstest.Poll(t.Context(), tr.mustOpen("w1", probe(id)))
	driverstest.Check(t, "without a shunt", rs, err, base)

	// DS2438 data sheet: the current register by 4096 and the resistor, here -410 and 25 mΩ.
	p := tr.mustOpen("w1", func(o any) { probe(id)(o); o.(*w1Options).Shunt = 0.025 })
	rs, err = driverstest.Poll(t.Context(), p)
	driverstest.Check(t, "with one", rs, err, append(base, w("current", -410.0/4096/0.025)))
	tr.attribute(id, "page0", 0x0e, 0x00, 0xf6, 0xf6, 0x01, 0x66, 0xfe, 0x20)
	rs, err = driverstest.Poll(t.Context(), p)
	driverstest.Check(t, "current switched off", rs, nil, base)
	driverstest.WantError(t, "current switched off", nil, err, "current", "iad")
	tr.attribute(id, "page0")
	rs, err = driverstest.Poll(t.Context(), p)
	driverstest.Check(t, "half a page", rs, nil, base)
	driverstest.WantError(t, "half a page", nil, err, "current", "0 bytes")

	for _, name := range []string{"temperature", "vdd", "vad"} {
		tr.attribute(id, name, '0', '\n')
	}
	rs, err = driverstest.Poll(t.Context(), p)
	driverstest.WantError(t, "a shorted wire", rs, err, "0 V")

	outputs := (&w1Options{ID: id, Shunt: 0.025}).Outputs()
	if len(outputs) != 4 || outputs[3].Max != 10 || outputs[3].Unit != "A" {
		t.Errorf("it has %+v", outputs)
	}
	if err := (&w1Options{ID: "28-01193a4b2c3d", Shunt: 0.1}).Check(); err == nil {
		t.Error("a thermometer has a shunt")
	}
}

// What scan lists is what can be pasted: every chip that we read, and no other.
func TestProbesAreListed(t *testing.T) {
	tr := newTree(t)
	tr.bus("28-01193a4b2c3d", "10-000802be73fa", "1d-0000000f1a2b", "26-0000012a3b4c", "29-00000012a3b4", "3a-0000001a2b3c", "01-0000001a2b3c")
	tr.write("devices/w1_bus_master1/name", "w1_bus_master1")
	tr.link("devices/w1_bus_master1", "bus/w1/devices/w1_bus_master1")
	probes, err := sysfs(tr.root).probes()
	if err != nil {
		t.Fatal(err)
	}
	chips := map[string]string{}
	for _, p := range probes {
		chips[p.Chip] = p.Driver + " " + p.Keys
	}
	if len(probes) != 6 || len(chips) != 6 {
		t.Errorf("found %v", probes)
	}
	for chip, text := range map[string]string{"DS18B20": `w1 id = "28-01193a4b2c3d"`, "DS2423": `w1 id = "1d-0000000f1a2b"`, "DS2438": "w1 id",
		"DS2408": "p7 = { pin = \"P7\" }", "DS2413": "w1-switch id"} {
		if !strings.Contains(chips[chip], text) {
			t.Errorf("%s: %q has no %s", chip, chips[chip], text)
		}
	}
	for _, d := range driversOn(sysfs(tr.root)) {
		if d.Name != "w1" && d.Name != "w1-switch" {
			continue
		}
		for id := range map[string]bool{"28-01193a4b2c3d": true, "29-00000012a3b4": true} {
			o := d.Options()
			switch o := o.(type) {
			case *w1Options:
				o.ID = id
			case *w1SwitchOptions:
				o.ID = id
			}
			if err := o.(drivers.Checker).Check(); (err == nil) != (d.Name == "w1" == (id[:2] == "28")) {
				t.Errorf("%s: %s: %v", d.Name, id, err)
			}
		}
	}
}
