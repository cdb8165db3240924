package meters

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial/framing"
	"sensorgate/drivers/serial/serialtest"
)

// smlChannels asks for every code that the vectors expect.
func smlChannels(codes ...string) []drivers.ChannelConfig {
	var configs []drivers.ChannelConfig
	for _, code := range codes {
		var o OBISChannel
		if err := o.OBIS.UnmarshalText([]byte(code)); err != nil {
			panic(err)
		}
		configs = append(configs, drivers.ChannelConfig{Name: code, Options: &o})
	}
	return configs
}

func TestSMLVectors(t *testing.T) {
	form := regexp.MustCompile(`^(\S+)\*\d+ (?:text (\S+)|unit \d+ = (\S+))$`)
	for _, v := range vectors(t, "SML") {
		var input string
		var want []string
		if err := json.Unmarshal(v.Input, &input); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(v.Expect, &want); err != nil {
			t.Fatal(err)
		}
		file, err := hex.DecodeString(input)
		if err != nil {
			t.Fatal(err)
		}
		var codes []string
		expected := map[string]string{}
		for _, line := range want {
			m := form.FindStringSubmatch(line)
			if m == nil {
				t.Fatalf("%s: cannot read %q", v.ID, line)
			}
			codes = append(codes, m[1])
			expected[m[1]] = m[2] + m[3]
		}
		obis, err := newOBISDecoder(obisChannels, smlChannels(codes...))
		if err != nil {
			t.Fatal(err)
		}
		// Noise, the file cut short, one with a flipped bit, and then a good one.
		flipped := append([]byte(nil), file...)
		flipped[len(file)/2] ^= 1
		wire := append([]byte("\x1b\x1b\x00noise"), file[:len(file)/2]...)
		wire = append(append(wire, flipped...), file...)
		for _, chunk := range []int{1, 7, len(wire)} {
			f, d, n := framing.Framer{Cutter: newSMLCutter()}, &smlDecoder{obis: obis}, 0
			for rest := wire; len(rest) > 0; rest = rest[min(chunk, len(rest)):] {
				f.Push(rest[:min(chunk, len(rest))], time.Unix(1, 0))
				for {
					frame, at, err, ok := f.Next()
					if !ok {
						break
					}
					if err != nil {
						continue
					}
					n++
					var h framing.Results
					h.Reset(at)
					d.Decode(frame, &h)
					for _, err := range h.Faults {
						t.Errorf("%s: %v", v.ID, err)
					}
					for _, r := range h.Readings {
						want, ok := expected[r.Channel]
						if !ok {
							continue // a usual channel
						}
						delete(expected, r.Channel)
						got := r.Value.String()
						if num, isNum := r.Value.Number(); isNum && strings.Contains(want, ".") {
							got = fmt.Sprintf("%.*f", len(want)-strings.Index(want, ".")-1, num)
						}
						if got != want {
							t.Errorf("%s %s: got %s, want %s", v.ID, r.Channel, got, want)
						}
					}
				}
			}
			if n != 1 {
				t.Errorf("%s in chunks of %d: %d good files, want 1", v.ID, chunk, n)
			}
		}
		for code := range expected {
			t.Errorf("%s: no %s", v.ID, code)
		}
	}
}

func FuzzSML(f *testing.F) {
	f.Add([]byte{0x76, 0x05, 1, 2, 3, 4, 0x62, 0, 0x62, 0, 0x72, 0x63, 7, 1, 0x77, 1, 1, 1, 1, 0x71, 0x77, 7, 1, 0, 1, 8, 0, 0xFF, 1, 1, 0x62, 0x1E, 0x52, 0xFF, 0x56, 0, 0, 0, 1, 0, 1, 1, 1, 0x63, 0, 0, 0})
	f.Add([]byte{0xF1, 0x81, 0x81, 0x81})
	obis, err := newOBISDecoder(obisChannels, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		d := &smlDecoder{obis: obis}
		var h framing.Results
		d.Decode(file, &h)
		c := newSMLCutter()
		c.Cut(append(append([]byte(nil), smlStart...), file...))
	})
}

// smlElement makes one element: its type in the upper four bits and its length, both in
// front of the data.
func smlElement(kind byte, data ...byte) []byte {
	return append([]byte{kind<<4 | byte(len(data)+1)}, data...)
}

func smlEntry(code obisCode, status []byte, unit byte, scaler int8, value []byte) []byte {
	e := append([]byte{smlList<<4 | 7}, smlElement(smlString, code[:]...)...)
	for _, part := range [][]byte{status, {1}, smlElement(smlUint, unit), smlElement(smlInt, byte(scaler)), value, {1}} {
		if part == nil {
			part = []byte{1}
		}
		e = append(e, part...)
	}
	return e
}

// smlFile makes an SML file of one list, in its transport.
func smlFile(server string, entries ...[]byte) []byte {
	list := append([]byte{smlList<<4 | byte(len(entries))}, bytes.Join(entries, nil)...)
	response := append([]byte{smlList<<4 | 7, 1}, smlElement(smlString, []byte(server)...)...)
	response = append(append(response, 1, 1), list...)
	response = append(response, 1, 1)
	message := append([]byte{smlList<<4 | 6}, smlElement(smlString, 1, 2)...)
	message = append(message, 0x62, 0, 0x62, 0, smlList<<4|2, 0x63, 7, 1)
	message = append(append(message, response...), 0x63, 0, 0, 0)
	file := append(append([]byte(nil), smlStart...), message...)
	fill := (4 - len(file)%4) % 4
	file = append(file, make([]byte, fill)...)
	file = append(append(file, smlEscape...), smlEnd, byte(fill))
	sum := newSMLCutter().x25.Of(file)
	return append(file, byte(sum), byte(sum>>8))
}

// decodeSML cuts and decodes a file as the driver does.
func decodeSML(t *testing.T, o *SMLOptions, file []byte, channels ...drivers.ChannelConfig) (map[string]string, []error) {
	t.Helper()
	d, err := newSMLDecoder(o, channels)
	if err != nil {
		t.Fatal(err)
	}
	f := framing.Framer{Cutter: newSMLCutter()}
	f.Push(file, time.Unix(1, 0))
	frame, _, err, ok := f.Next()
	if err != nil || !ok {
		t.Fatalf("no file in % X: %v", file, err)
	}
	var r framing.Results
	d.Decode(frame, &r)
	return values(r.Readings), r.Faults
}

var (
	import180 = obisCode{1, 0, 1, 8, 0, present}
	power1570 = obisCode{1, 0, 15, 7, 0, present}
)

// A meter that sends the totals of former periods behind the present one.
func TestSMLFormerPeriodsAreNotThePresentTotal(t *testing.T) {
	var entries [][]byte
	for f, wh := range map[byte]byte{present: 90, 96: 1, 97: 7, 98: 30, 99: 80, 100: 89} {
		entries = append(entries, smlEntry(obisCode{1, 0, 1, 8, 0, f}, nil, 30, 3, smlElement(smlUint, 0, wh)))
	}
	file := smlFile("server", entries...)
	got, faults := decodeSML(t, &SMLOptions{}, file, smlChannels("1-0:1.8.0*96")...)
	if want := "map[1-0:1.8.0*96:1000 Wh energy_import:90 kWh]"; faults != nil || fmt.Sprint(got) != want {
		t.Errorf("got %v, %v, want %s", got, faults, want)
	}
}

// DZG DVS and DWS meters send 356.24 W in two bytes that look negative.
func TestSMLPowerOfOldDZGMetersIsPositive(t *testing.T) {
	const old, recent = "\x0a\x01DZG\x00\x02\x82\x22\x5e", "\x0a\x01DZG\x00\x03\xA0\x00\x00"
	for _, c := range []struct {
		what   string
		o      SMLOptions
		server string
		value  []byte
		want   string
	}{
		{"the old meter", SMLOptions{}, old, []byte{0x53, 0x8B, 0x28}, "356.24 W"},
		{"the old meter again", SMLOptions{}, old, []byte{0x53, 0xC6, 0x0C}, "507.00 W"},
		{"the old meter feeding in", SMLOptions{}, old, []byte{0x55, 0xFF, 0xFF, 0x8B, 0x28}, "-299.12 W"},
		{"a newer one", SMLOptions{}, recent, []byte{0x53, 0x8B, 0x28}, "-299.12 W"},
		{"another maker's", SMLOptions{}, "\x0a\x01ISK\x00\x02\x82\x22\x5e", []byte{0x53, 0x8B, 0x28}, "-299.12 W"},
		{"another maker's, by option", SMLOptions{Unsigned: true}, "server", []byte{0x53, 0x8B, 0x28}, "356.24 W"},
		{"by option, one byte", SMLOptions{Unsigned: true}, "server", []byte{0x52, 0x80}, "1.28 W"},
	} {
		got, faults := decodeSML(t, &c.o, smlFile(c.server, smlEntry(smlPower, nil, 27, -2, c.value)))
		if want := strings.Replace(c.want, "507.00", "507", 1); faults != nil || got["power"] != want {
			t.Errorf("%s: got %v, %v, want %s", c.what, got, faults, want)
		}
	}
}

// An EMH ED300L has the direction of its power in the status word of the total.
func TestSMLPowerWithTheDirectionInTheStatusWord(t *testing.T) {
	o := &SMLOptions{Sign: &SMLSign{Of: "1-0:15.7.0", Status: "1-0:1.8.0", Bit: 5}}
	power := drivers.ChannelConfig{Name: "power", Unit: "W", Options: &OBISChannel{OBIS: "1-0:15.7.0"}}
	bit := 5
	feeding := drivers.ChannelConfig{Name: "feeding_in", Options: &OBISChannel{OBIS: "1-0:1.8.0", StatusBit: &bit}}
	file := func(status []byte, order bool) []byte {
		total := smlEntry(import180, status, 30, -1, smlElement(smlUint, 0, 1))
		watts := smlEntry(power1570, nil, 27, -1, smlElement(smlInt, 0x04, 0xF2))
		if order {
			return smlFile("server", watts, total)
		}
		return smlFile("server", total, watts)
	}
	for _, order := range []bool{false, true} {
		got, faults := decodeSML(t, o, file([]byte{0x63, 0x01, 0xA2}, order), power, feeding)
		if faults != nil || got["power"] != "-126.6 W" || got["feeding_in"] != "true" {
			t.Errorf("feeding in: got %v, %v, want -126.6 W", got, faults)
		}
		got, faults = decodeSML(t, o, file([]byte{0x63, 0x01, 0x82}, order), power, feeding)
		if faults != nil || got["power"] != "126.6 W" || got["feeding_in"] != "false" {
			t.Errorf("drawing: got %v, %v, want 126.6 W", got, faults)
		}
		got, faults = decodeSML(t, o, file(nil, order), power)
		if _, ok := got["power"]; ok || len(faults) != 1 {
			t.Errorf("no status word: got %v, %v, want a fault: the direction is not known", got, faults)
		}
	}
}

func TestSMLTelegramWithoutAChannelSaysWhatItHas(t *testing.T) {
	far, path := serialtest.PTY(t)
	reports := serialtest.Watch(t, serialtest.Named(t, Drivers(serialtest.NoBuses, serialtest.Quiet()), "sml"), drivers.DeviceConfig{Options: &SMLOptions{Wire: onPort(path)}})
	far.Write(smlFile("server", smlEntry(power1570, nil, 27, -1, smlElement(smlInt, 0x04, 0xF2))))
	if s := serialtest.Next(t, reports); s.Err == nil || !strings.Contains(s.Err.Error(), `obis = "1-0:15.7.0" (126.6 W)`) {
		t.Errorf("got %v, want a fault that names what the telegram has", s)
	}
}
