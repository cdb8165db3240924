package meters

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/serial/framing"
	"sensorgate/drivers/serial/serialtest"
)

// A gas meter of OMS specification volume 2, annex N, N.2.1: in format A with its sums, and
// without them. Its key is the one printed there.
const (
	omsGasA     = "2E44931578563412330333637A2A0020255923C95AAA26D1B2E7493BC2AD013EC4A6F6D3529B520EDFF0EA6DEFC955B29D6D69EBF3EC8A"
	omsGasBare  = "2E4493157856341233037A2A0020255923C95AAA26D1B2E7493B013EC4A6F6D3529B520EDFF0EA6DEFC99D6D69EBF3"
	omsGasKey   = "0102030405060708090A0B0C0D0E0F11"
	omsGasClear = "2E4493157856341233037A2A0000002F2F0C1427048502046D32371F1502FD1700002F2F2F2F2F2F2F2F2F2F2F2F2F" // the same in EN 13757-3, table P.1
)

// A water meter of the recordings of wmbusmeters (simulations/simulation_t1.txt): 123.529 m³.
const iperlClear = "1844AE4C4455223368077A55000000041389E20100023B0000"

func keyFile(t testing.TB, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// heard decodes lines for a meter, and returns readings, faults and what is listed.
func heard(t testing.TB, o *WMBusOptions, lines ...string) (got string) {
	t.Helper()
	d, err := newWMBusDecoder(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, line := range lines {
		var r framing.Results
		d.Decode([]byte(line), &r)
		for _, rd := range r.Readings {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s=%s %s", rd.Channel, rd.Value, rd.Unit)))
		}
		for _, err := range r.Faults {
			out = append(out, "fault: "+err.Error())
		}
		for _, o := range r.Others {
			if strings.HasPrefix(o.Channel, "meter") {
				out = append(out, fmt.Sprintf("listed: %s (%s)", o.Channel, o.Value))
			}
		}
	}
	return strings.Join(out, "; ")
}

// formatB makes a telegram without sums one of format B.
func formatB(t testing.TB, bare string) string {
	t.Helper()
	p, err := hex.DecodeString(bare)
	if err != nil {
		t.Fatal(err)
	}
	sums := (len(p) + wmbusBlockB - 1) / wmbusBlockB
	p[0] += byte(sums * wmbusSumLen)
	var out []byte
	for len(p) > 0 {
		n := min(wmbusBlockB, len(p))
		sum := wmbusSum.Of(p[:n])
		out = append(append(out, p[:n]...), byte(sum>>8), byte(sum))
		p = p[n:]
	}
	return fmt.Sprintf("%X", out)
}

func TestWirelessMBusOfEachReceiver(t *testing.T) {
	gas := &WMBusOptions{Meter: "12345678", KeyFile: keyFile(t, omsGasKey)}
	const volume = "volume=28504.27 m³"
	for name, line := range map[string]string{
		"CUL, T1":                          "b" + omsGasA,
		"CUL, T1, quality and strength":    "b" + omsGasA + "2E85",
		"CUL, T1, small letters":           "b" + strings.ToLower(omsGasA),
		"CUL, C1, format B":                "bY" + formatB(t, omsGasBare) + "8012",
		"rtl_wmbus":                        "T1;1;1;2019-04-03 19:00:42.000;97;148;12345678;0x" + strings.ToLower(omsGasBare),
		"rtl_wmbus, not encrypted":         "C1;1;1;2019-04-03 19:00:42.000;97;148;12345678;0x" + omsGasClear,
		"Elvaco CMeX50":                    "12345678; ELS;33;03;00; -83; T;" + omsGasBare + ";",
		"rtl_wmbus, L counts the sums too": "T1;1;1;2019-04-03 19:00:42.000;97;148;12345678;0x36" + omsGasBare[2:],
	} {
		if got := heard(t, gas, line); !strings.Contains(got, volume) || strings.Contains(got, "fault") {
			t.Errorf("%s: %s, want %s", name, got, volume)
		}
	}
	if got := heard(t, &WMBusOptions{Meter: "33225544"}, "T1;1;1;2019-04-03 19:10:42.000;97;148;33225544;0x"+iperlClear); !strings.Contains(got, "volume=123.529 m³") {
		t.Errorf("a meter that is not encrypted: %s", got)
	}
}

// A telegram of more than one block of format B.
func TestWirelessMBusFormatBOfTwoBlocks(t *testing.T) {
	long := "A244EE4D785634123C067A8F000000" + strings.Repeat("0C1348550000", 24) + "2F2F2F2F"
	if n := len(long)/2 - 1; fmt.Sprintf("%02X", n) != long[:2] {
		long = fmt.Sprintf("%02X", n) + long[2:]
	}
	p, err := wmbusLine([]byte("bY" + formatB(t, long)))
	if err != nil || fmt.Sprintf("%X", p) != long {
		t.Errorf("%X, %v", p, err)
	}
}

func TestWirelessMBusTakesNothingWrong(t *testing.T) {
	gas := &WMBusOptions{Meter: "12345678", KeyFile: keyFile(t, omsGasKey)}
	damaged := []byte("b" + omsGasA)
	damaged[41] ^= 1
	for name, c := range map[string]struct {
		o    *WMBusOptions
		line string
		want string
	}{
		"a wrong sum":                 {gas, string(damaged), "checksum: crc16-en-13757"},
		"a sum that the receiver saw": {gas, "T1;0;1;2019-04-03 19:00:42.000;97;148;12345678;0x" + omsGasBare, "the receiver reports a wrong sum"},
		"no key":                      {&WMBusOptions{Meter: "12345678"}, "b" + omsGasA, "it needs key_file"},
		"another key":                 {&WMBusOptions{Meter: "12345678", KeyFile: keyFile(t, strings.Repeat("00", 16))}, "b" + omsGasA, "the key of key_file does not fit"},
		"cut short":                   {gas, "b" + omsGasA[:60], "telegram cut short"},
		"another meter":               {&WMBusOptions{Meter: "00000001"}, "b" + omsGasA, `listed: meter = "12345678" (ELS gas)`},
		"no meter named":              {&WMBusOptions{}, "b" + omsGasA, "meter is not set"},
		"encrypted by the link":       {&WMBusOptions{Meter: "76348799"}, "C1;1;1;2020-01-23 10:25:13.000;97;148;76348799;0x2A442D2C998734761B168D2091D37CAC21E1D68CDAFFCD3DC452BD802913FF7B1706CA9E355D6C2701CC24", "encrypted by the link layer"},
	} {
		if got := heard(t, c.o, c.line); !strings.Contains(got, c.want) || strings.Contains(got, "=") && !strings.Contains(got, "listed: ") {
			t.Errorf("%s: %q, want %q and no reading", name, got, c.want)
		}
	}
	for _, other := range []string{"", "V 1.67 CSM868", "rtl_wmbus: exiting", ";;;;;;;;", "b", "LOVF"} {
		if got := heard(t, gas, other); got != "" {
			t.Errorf("%q gives %s", other, got)
		}
	}
}

// Bytes of a meter that wmbusmeters recorded (simulations/serial_aes.msg), whose key is
// zero. The meter's number was replaced there, which is part of the chain's start: all
// but six bytes of the first block come out. The maker's own data have the counts of the
// months, the latest first.
func TestWirelessMBusKeyOfZeroes(t *testing.T) {
	const recorded = "6e4401068888888805077a85006085bc2630713819512eb4cd87fba554fb43f67cf9654a68ee8e194088160df752e716238292e8af1ac20986202ee561d743602466915e42f1105d9c6782a54504e4f099e65a7656b930c73a30775122d2fdf074b5035cfaa7e0050bf32faae03a77"
	p, err := hex.DecodeString(recorded)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newWMBusCipher(strings.Repeat("0", 32))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := wmbusPlain(wmbusHead(p), p[wmbusHeadSize:], c)
	months := []byte{0xF0, 0x12, 0, 0, 0xC9, 0x12, 0, 0, 0x6D, 0x11, 0, 0, 0xD2, 0x0E, 0, 0, 0xF5, 0x09, 0, 0, 0xB3, 0x04, 0, 0, 0x6D, 0, 0, 0}
	if err != nil || !bytes.HasPrefix(plain[5:], []byte{difFiller, difFiller}) || !bytes.Contains(plain[5+16:], months) {
		t.Errorf("% X, %v", plain, err)
	}
}

func TestWirelessMBusOptionsAreChecked(t *testing.T) {
	for _, meter := range []string{"1234567", "123456789", "1234567x", "12345678 "} {
		if err := (&WMBusOptions{Wire: onWire, Meter: meter}).Check(); err == nil {
			t.Errorf("meter %q passes", meter)
		}
	}
	if err := (&WMBusOptions{Wire: onWire, Meter: "12345678"}).Check(); err != nil {
		t.Error(err)
	}
	for _, key := range []string{"", "not-hex", strings.Repeat("0", 31) + "x"} {
		_, err := newWMBusDecoder(&WMBusOptions{Meter: "12345678", KeyFile: keyFile(t, key)}, nil)
		if err == nil || key != "" && strings.Contains(err.Error(), key) {
			t.Errorf("key %q: %v", key, err)
		}
	}
	if _, err := newWMBusDecoder(&WMBusOptions{KeyFile: "/nonexistent/key"}, nil); err == nil {
		t.Error("a key file that is not there passes")
	}
}

func TestWMBusConformance(t *testing.T) {
	c := pushes("wmbus", func() any { return &WMBusOptions{Wire: onWire, Meter: "12345678", Silence: time.Minute} },
		[]byte("C1;1;1;2019-04-03 19:00:42.000;97;148;12345678;0x"+omsGasClear+"\r\n"),
		driverstest.Want{Channel: "volume", Value: 28504.27})
	c.Unprotected = "rtl_wmbus has looked at the sums and takes them out: nothing protects its lines"
	c.Run(t)
}

// A CUL must be switched to receiving, and its lines have the sums of the air.
func TestWMBusCULConformance(t *testing.T) {
	clear := formatA(t, omsGasClear)
	serialtest.Conformance{
		Drivers: Drivers, Name: "wmbus",
		Config: func() drivers.DeviceConfig {
			return drivers.DeviceConfig{Options: &WMBusOptions{Wire: onWire, Meter: "12345678", Silence: time.Minute}}
		},
		Simulator: func() serialtest.Simulator {
			return serialtest.Simulator{Pushes: []byte("b" + clear + "\r\n"), Every: 2 * time.Second}
		},
		Want: []driverstest.Want{{Channel: "volume", Value: 28504.27}},
	}.Run(t)
}

// formatA makes a telegram without sums one of format A.
func formatA(t testing.TB, bare string) string {
	t.Helper()
	p, err := hex.DecodeString(bare)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for size := wmbusHeadSize; len(p) > 0; size = wmbusBlockA {
		n := min(size, len(p))
		sum := wmbusSum.Of(p[:n])
		out = append(append(out, p[:n]...), byte(sum>>8), byte(sum))
		p = p[n:]
	}
	return fmt.Sprintf("%X", out)
}

func FuzzWMBus(f *testing.F) {
	for _, line := range []string{
		"b" + omsGasA, "bY" + formatB(f, omsGasBare), "T1;1;1;2019-04-03 19:00:42.000;97;148;12345678;0x" + omsGasBare,
		"12345678; ELS;33;03;00; -83; T;" + omsGasClear + ";", "b", "bY02", "b00FFFF",
	} {
		f.Add([]byte(line))
	}
	d, err := newWMBusDecoder(&WMBusOptions{Meter: "12345678", KeyFile: keyFile(f, omsGasKey)}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var r framing.Results
		d.Decode(line, &r)
		for _, rd := range r.Readings {
			if !rd.Value.Valid() {
				t.Errorf("%s has no value", rd.Channel)
			}
		}
	})
}
