package meters

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial/framing"
)

// Recordings of real devices belong to those who published them, and are not in this
// repository: SENSORGATE_RECORDINGS names a folder with sml, mbus, p1, nmea, vedirect,
// teleinfo and d0 in it, of files as they came off the wire (mbus: hexadecimal).
// docs/serial.md says where they are from and what came out.
const recordingsFolder = "SENSORGATE_RECORDINGS"

// recordings returns the files of a protocol, or skips the test with the reason.
func recordings(t *testing.T, protocol string) map[string][]byte {
	t.Helper()
	folder := os.Getenv(recordingsFolder)
	if folder == "" {
		t.Skipf("%s names no folder of recordings (docs/serial.md says which there are)", recordingsFolder)
	}
	paths, err := filepath.Glob(filepath.Join(folder, protocol, "*"))
	if err != nil || len(paths) == 0 {
		t.Skipf("no recordings in %s", filepath.Join(folder, protocol))
	}
	files := map[string][]byte{}
	for _, path := range paths {
		if files[filepath.Base(path)], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// tally counts what became of frames.
type tally struct {
	files, frames, rejected, read, bare, readings, faults, others int
	reasons                                                       map[string]int
}

func (c *tally) reject(file string, err error) {
	if c.reasons == nil {
		c.reasons = map[string]int{}
	}
	c.rejected++
	c.reasons[file+": "+err.Error()]++
}

func (c *tally) take(r *framing.Results) {
	c.frames++
	switch {
	case len(r.Readings) > 0:
		c.read++
	case len(r.Faults) == 0:
		c.bare++ // a frame of a kind that has no channel
	}
	c.readings += len(r.Readings)
	c.faults += len(r.Faults)
	c.others += len(r.Others)
}

func (c *tally) log(t *testing.T, protocol string) {
	t.Helper()
	t.Logf("%s: %d files, %d frames whole, %d rejected; %d frames with readings, %d with none of the usual channels; %d readings, %d faults, %d values that no channel takes",
		protocol, c.files, c.frames, c.rejected, c.read, c.bare, c.readings, c.faults, c.others)
	shown := 0
	for reason, n := range c.reasons {
		if shown++; shown > 12 {
			t.Logf("  and %d other reasons", len(c.reasons)-12)
			break
		}
		t.Logf("  %d × %.160s", n, reason)
	}
	if c.read == 0 {
		t.Errorf("%s: nothing could be read", protocol)
	}
}

// play lets recordings go through a framer and a decoder of each file. A frame that is not
// wanted is none of the protocol, and not counted when it is rejected.
func play(t *testing.T, protocol string, f func() framing.Framer, d func() framing.Decoder, wanted func([]byte) bool) {
	var c tally
	for file, wire := range recordings(t, protocol) {
		c.files++
		f, d := f(), d()
		for rest := wire; len(rest) > 0; rest = rest[min(len(rest), 512):] {
			f.Push(rest[:min(len(rest), 512)], time.Unix(1, 0))
			for {
				frame, at, err, ok := f.Next()
				if !ok {
					break
				}
				if err != nil {
					c.reject(file, err)
					continue
				}
				var r framing.Results
				r.Reset(at)
				d.Decode(frame, &r)
				if len(r.Readings) == 0 && len(r.Faults) > 0 {
					if wanted(frame) {
						c.reject(file, r.Faults[0])
					}
					continue
				}
				c.take(&r)
			}
		}
	}
	c.log(t, protocol)
}

func TestRecordingsSML(t *testing.T) {
	play(t, "sml", func() framing.Framer { return framing.Framer{Cutter: newSMLCutter()} }, func() framing.Decoder {
		d, err := newSMLDecoder(&SMLOptions{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}, anything)
}

func anything([]byte) bool { return true }

func TestRecordingsP1(t *testing.T) {
	play(t, "p1", func() framing.Framer { return p1Framer(false) }, func() framing.Decoder { return newP1(t) }, anything)
}

// Logs of receivers have binary messages and comments between their sentences.
func TestRecordingsNMEA(t *testing.T) {
	sentence := regexp.MustCompile(`^[$!][A-Z]{5},.*\*[0-9A-Fa-f]{2}\s*$`)
	play(t, "nmea", func() framing.Framer { return framing.Framer{Cutter: &framing.LineCutter{Max: 250}} }, func() framing.Decoder { return newNMEADecoder(nil) }, sentence.Match)
}

func TestRecordingsTeleinfo(t *testing.T) {
	for _, mode := range []TeleinfoMode{Historic, Standard} {
		t.Run(string(mode), func(t *testing.T) {
			play(t, filepath.Join("teleinfo", string(mode)), func() framing.Framer { return framing.Framer{Cutter: &framing.LineCutter{Max: 256}} },
				func() framing.Decoder { return newTeleinfoDecoder(mode, nil) }, anything)
		})
	}
}

func TestRecordingsD0(t *testing.T) {
	play(t, "d0", d0Framer, func() framing.Decoder {
		obis, err := newOBISDecoder(obisChannels, nil)
		if err != nil {
			t.Fatal(err)
		}
		return &d0Decoder{obis: obis}
	}, anything)
}

// Blocks of VE.Direct are a model of driver frames; here only their sum is looked at.
func TestRecordingsVEDirect(t *testing.T) {
	sum, _ := field.Named("sum8")
	zero := uint64(0)
	check := field.Check{Kind: sum, Equals: &zero}
	play(t, "vedirect", func() framing.Framer {
		return framing.Framer{Cutter: &framing.TextCutter{End: []byte("\r\nChecksum\t"), Tail: 1, Verify: check.Verify, Max: 1024}}
	}, func() framing.Decoder { return countLines{} }, anything)
}

// countLines makes a reading of every line.
type countLines struct{}

func (countLines) Decode(block []byte, r *framing.Results) {
	for line := range bytes.Lines(block) {
		if key, value, found := bytes.Cut(line, []byte("\t")); found {
			if n, ok := field.ParseNumber(string(bytes.TrimSpace(value))); ok {
				r.Put(string(key), "", drivers.Number(n), nil)
			}
		}
	}
}

func TestRecordingsMBus(t *testing.T) {
	var c tally
	records, unknown, faults := 0, map[string]int{}, 0
	for file, text := range recordings(t, "mbus") {
		c.files++
		wire, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		if err != nil {
			t.Logf("%s is not hexadecimal: %v", file, err)
			continue
		}
		for len(wire) > 0 {
			frame, _ := findMBus(wire, mbusAnybody)
			if frame == nil {
				c.reject(file, os.ErrInvalid)
				break
			}
			var all mbusTelegram
			if err := all.decode(frame); err != nil {
				c.reject(file, err)
			}
			var r framing.Results
			m := &mbusMeter{}
			for _, record := range all.records {
				records++
				if strings.HasPrefix(record.name, "unknown_") {
					unknown[record.name]++
				}
				if record.fault != nil {
					faults++
				}
				m.put(record, &r)
			}
			c.take(&r)
			wire = wire[bytes.Index(wire, frame)+len(frame):]
		}
	}
	c.log(t, "mbus")
	n := 0
	for _, k := range unknown {
		n += k
	}
	t.Logf("  %d records, %d of them without a name in the tables (%d kinds), %d marked as errors by the meter", records, n, len(unknown), faults)
	for name, k := range unknown {
		t.Logf("  %d × %s", k, name)
	}
}

// What two recordings must say: the ED300L that fed in 126.6 W and the one that drew, and
// meters of DZG whose power looks negative and is not.
func TestRecordingsSigns(t *testing.T) {
	files := recordings(t, "sml")
	ed300l := &SMLOptions{Sign: &SMLSign{Of: "1-0:15.7.0", Status: "1-0:1.8.0", Bit: 5}}
	power := drivers.ChannelConfig{Name: "power", Unit: "W", Options: &OBISChannel{OBIS: "1-0:15.7.0"}}
	for file, c := range map[string]struct {
		o        *SMLOptions
		channels []drivers.ChannelConfig
		negative bool
	}{
		"EMH-ED300L_delivery.bin":    {ed300l, []drivers.ChannelConfig{power}, true},
		"EMH-ED300L_consumption.bin": {ed300l, []drivers.ChannelConfig{power}, false},
		"DZG_DVS-7412.2_jmberg.bin":  {&SMLOptions{}, nil, false},
	} {
		wire, ok := files[file]
		if !ok {
			t.Logf("no %s here", file)
			continue
		}
		f := framing.Framer{Cutter: newSMLCutter()}
		d, err := newSMLDecoder(c.o, c.channels)
		if err != nil {
			t.Fatal(err)
		}
		f.Push(wire, time.Unix(1, 0))
		n := 0
		for {
			frame, _, err, ok := f.Next()
			if !ok {
				break
			}
			if err != nil {
				continue
			}
			var r framing.Results
			d.Decode(frame, &r)
			for _, rd := range r.Readings {
				if v, _ := rd.Value.Number(); rd.Channel == "power" {
					n++
					if (v < 0) != c.negative {
						t.Errorf("%s: %v W", file, v)
					}
				}
			}
		}
		if t.Logf("%s: %d values of power", file, n); n == 0 {
			t.Errorf("%s: no power", file)
		}
	}
}
