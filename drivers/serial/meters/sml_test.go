package meters

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial/framing"
)

// smlChannels asks for every code that the vectors expect.
func smlChannels(codes ...string) []drivers.ChannelConfig {
	var sites []drivers.ChannelConfig
	for _, code := range codes {
		var o OBISChannel
		if err := o.OBIS.UnmarshalText([]byte(code)); err != nil {
			panic(err)
		}
		sites = append(sites, drivers.ChannelConfig{Name: code, Options: &o})
	}
	return sites
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
