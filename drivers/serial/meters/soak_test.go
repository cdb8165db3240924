package meters

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest/soak"
	"sensorgate/drivers/serial/framing"
	"sensorgate/internal/mapping"
)

// spy is a cutter that keeps the bytes of the last frame as they stood on the wire.
type spy struct {
	framing.Cutter
	frame []byte
}

func (s *spy) Cut(buf []byte) framing.Cut {
	c := s.Cutter.Cut(buf)
	if c.Err == nil && !c.More {
		s.frame = append(s.frame[:0], buf[c.From:c.To]...)
	}
	return c
}

// publish is the last part of the way: what a device without filters of its own publishes.
func publish() func([]drivers.Reading) {
	m := mapping.New(mapping.Device{Name: "meter", Node: "n", TopicTemplate: "{node}/{device}/{channel}"})
	return func(rs []drivers.Reading) { m.Messages(rs, true) }
}

// framed is the way of a meter that pushes: framer, decoder, mapper.
func framed(f framing.Framer, d framing.Decoder) func() func([]byte) []soak.Result {
	return func() func([]byte) []soak.Result {
		cut, send := &spy{Cutter: f.Cutter}, publish()
		f := f
		f.Cutter = cut
		at := time.Unix(1e9, 0)
		var r framing.Results
		return func(wire []byte) (list []soak.Result) {
			at = at.Add(time.Second)
			f.Push(wire, at)
			for {
				frame, at, err, ok := f.Next()
				if !ok {
					return list
				}
				if err != nil {
					continue
				}
				r.Reset(at)
				d.Decode(frame, &r)
				send(r.Readings)
				list = append(list, soak.Result{Frame: bytes.Clone(cut.frame), Readings: append([]drivers.Reading(nil), r.Readings...)})
			}
		}
	}
}

// crc16 is a reflected CRC of 16 bits, one bit after the other: written a second time, so
// that a fault in the tables of package field would be seen.
func crc16(p []byte, poly, crc uint16) uint16 {
	for _, b := range p {
		crc ^= uint16(b)
		for range 8 {
			low := crc & 1
			if crc >>= 1; low != 0 {
				crc ^= poly
			}
		}
	}
	return crc
}

func TestSoakNMEA(t *testing.T) {
	sum := func(body []byte) string { return fmt.Sprintf("%02X", xor(body)) }
	var frames [][]byte
	for _, v := range vectors(t, "NMEA") {
		frames = append(frames, []byte(strings.TrimSpace(v.text(t))+"\r\n"))
	}
	soak.Run(t, soak.Protocol{
		Name: "NMEA 0183 (xor of 8 bits)", Frames: frames,
		Path: framed(framing.Framer{Cutter: &framing.LineCutter{Max: 250}}, newNMEADecoder(nil)),
		Valid: func(line []byte) bool {
			for i, b := range line {
				body, digits, found := bytes.Cut(line[i+1:], []byte("*"))
				if (b == '$' || b == '!') && found && strings.EqualFold(strings.TrimSpace(string(digits)), sum(body)) {
					return true
				}
				if n, err := strconv.ParseUint(strings.TrimSpace(string(digits)), 16, 8); (b == '$' || b == '!') && found && err == nil && byte(n) == xor(body) {
					return true
				}
			}
			return false
		},
		Repair: func(line []byte) []byte {
			i := bytes.IndexByte(line, '*')
			if i < 1 {
				return line
			}
			return fmt.Appendf(line[:i:i], "*%s\r\n", sum(line[1:i]))
		},
		Ranges: drivers.RangesOf(drivers.Driver{Channels: nmeaChannels}, drivers.DeviceConfig{}, nil),
	})
}

func TestSoakSML(t *testing.T) {
	var frames [][]byte
	for _, v := range vectors(t, "SML") {
		frames = append(frames, hexBytes(t, strings.Trim(string(v.Input), `"`)))
	}
	d, err := newSMLDecoder(&SMLOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	soak.Run(t, soak.Protocol{
		Name: "SML (CRC of 16 bits)", Frames: frames,
		Path: framed(framing.Framer{Cutter: newSMLCutter()}, d),
		Valid: func(file []byte) bool {
			n := len(file) - 2
			got := uint16(file[n]) | uint16(file[n+1])<<8
			return crc16(file[:n], 0x8408, 0xFFFF)^0xFFFF == got || crc16(file[:n], 0x8408, 0) == got
		},
		Repair: func(file []byte) []byte {
			n := len(file) - 2
			if n < 2 {
				return file
			}
			sum := crc16(file[:n], 0x8408, 0xFFFF) ^ 0xFFFF
			return append(file[:n:n], byte(sum), byte(sum>>8))
		},
	})
}

func TestSoakP1(t *testing.T) {
	frames := [][]byte{
		telegram("1-0:1.8.1(000004.426*kWh)", "1-0:1.7.0(00.244*kW)", "1-0:32.7.0(230.0*V)", "0-0:96.14.0(0002)", "0-1:24.1.0(003)", "0-1:24.2.1(170102161005W)(00000.107*m3)"),
		telegram("1-0:1.8.1(005017120*Wh)", "0-2:24.1.0(007)", "0-2:24.3.0(090212160000)(00)(60)(1)(0-1:24.2.1)(m3)", "(00001.001)"),
	}
	d, err := newP1Decoder(nil)
	if err != nil {
		t.Fatal(err)
	}
	soak.Run(t, soak.Protocol{
		Name: "P1 (CRC of 16 bits)", Frames: frames, Path: framed(p1Framer(true), d),
		Valid: func(p []byte) bool {
			i := bytes.LastIndexByte(p, '!')
			digits := p[i+1:]
			n := 0
			for n < len(digits) && n < 4 && strings.ContainsRune("0123456789abcdefABCDEF", rune(digits[n])) {
				n++
			}
			sum, err := strconv.ParseUint(string(digits[:n]), 16, 16)
			return i >= 0 && err == nil && crc16(p[:i+1], 0xA001, 0) == uint16(sum)
		},
		Repair: func(p []byte) []byte {
			i := bytes.LastIndexByte(p, '!')
			if i < 0 {
				return p
			}
			return fmt.Appendf(p[:i+1:i+1], "%04X\r\n", crc16(p[:i+1], 0xA001, 0))
		},
	})
}

func TestSoakTeleinfo(t *testing.T) {
	sum := func(group string) string {
		var n byte
		for _, b := range []byte(group) {
			n += b
		}
		return string(rune(n&0x3F + 0x20))
	}
	group := func(s string) []byte { return []byte("\n" + s + sum(s) + "\r") }
	for mode, frames := range map[TeleinfoMode][][]byte{
		Historic: {[]byte("\x02\nBASE 002815235 %\r"), []byte("\nIINST 002 Y\r"), []byte("\nPAPP 00390 -\r\x03")},
		Standard: {group("EAST\t001842912\t"), group("SINSTS\t00390\t"), group("URMS1\t230\t")},
	} {
		soak.Run(t, soak.Protocol{
			Name: "Teleinfo " + string(mode) + " (sum of 6 bits)", Frames: frames,
			Path: framed(framing.Framer{Cutter: &framing.LineCutter{Max: 256}}, newTeleinfoDecoder(mode, nil)),
			Valid: func(line []byte) bool {
				line = bytes.TrimLeft(line, "\x02\x03\x04")
				body := string(line[:len(line)-1])
				if mode == Historic {
					body = body[:len(body)-1]
				}
				return sum(body) == string(line[len(line)-1:])
			},
		})
	}
}

func TestSoakD0(t *testing.T) {
	obis, err := newOBISDecoder(obisChannels, nil)
	if err != nil {
		t.Fatal(err)
	}
	soak.Run(t, soak.Protocol{
		Name: "D0 push", Unchecked: "mode D has no check sum, only the parity of every byte",
		Frames: [][]byte{[]byte("/ESY5Q3DB1024 V3.04\r\n\r\n1-0:1.8.0*255(00052185.7825309*kWh)\r\n1-0:1.7.0*255(002124.86*W)\r\n!\r\n")},
		Path:   framed(d0Framer(), &d0Decoder{obis: obis}),
	})
}

// In mode C the block has a check character: the exclusive or of all bytes.
func TestSoakD0Asked(t *testing.T) {
	obis, err := newOBISDecoder(obisChannels, nil)
	if err != nil {
		t.Fatal(err)
	}
	block := []byte("0.0.0(12345678)\r\n1.8.1(000123.45*kWh)\r\n1.8.1*11(7*kWh)\r\n32.7(230.1*V)\r\n!\r\n\x03")
	soak.Run(t, soak.Protocol{
		Name: "D0 asked (xor of 8 bits)", Frames: [][]byte{append(append([]byte{d0STX}, block...), xor(block))},
		Path: func() func([]byte) []soak.Result {
			send := publish()
			return func(wire []byte) []soak.Result {
				data, err := findD0Block(wire)
				if err != nil || data == nil {
					return nil
				}
				r := framing.Results{At: time.Unix(1e9, 0)}
				(&d0Decoder{obis: obis}).Decode(data, &r)
				send(r.Readings)
				at := bytes.IndexByte(wire, d0STX)
				return []soak.Result{{Frame: wire[at : at+len(data)+3], Readings: r.Readings}}
			}
		},
		Valid: func(p []byte) bool { return xor(p[1:len(p)-1]) == p[len(p)-1] },
	})
}

func TestSoakMBus(t *testing.T) {
	repair := func(p []byte) []byte {
		if len(p) < 9 || len(p) > 250 {
			return p
		}
		p[0], p[1], p[2], p[3], p[4] = 0x68, byte(len(p)-6), byte(len(p)-6), 0x68, 0x08
		var sum byte
		for _, b := range p[4 : len(p)-2] {
			sum += b
		}
		p[len(p)-2], p[len(p)-1] = sum, 0x16
		return p
	}
	m := &mbusMeter{}
	soak.Run(t, soak.Protocol{
		Name: "M-Bus (sum of 8 bits)", Repair: repair,
		Frames: [][]byte{
			hexBytes(t, vectors(t, "MBUS-1")[0].text(t)),
			hexBytes(t, "68 3a 3a 68 08 01 72 78 56 34 12 a7 32 04 04 01 00 00 00 0c 06 77 42 02 00 0c 14 39 99 56 00 0b 2d 02 00 f0 0b 3b 30 18 00 0a 5a 51 03 0a 5e 52 03 02 fd 17 00 00 06 6d 0c 08 0a f4 25 00 73 16"),
			mbusFrame(0x73, hexBytes(t, "78 56 34 12 0A 00 05 69 77 42 02 00 39 99 56 00")...),
		},
		Path: func() func([]byte) []soak.Result {
			send := publish()
			return func(wire []byte) []soak.Result {
				frame, _ := findMBus(wire, mbusAnybody)
				if frame == nil {
					return nil
				}
				var all mbusTelegram
				r := framing.Results{At: time.Unix(1e9, 0)}
				all.decode(frame)
				for _, record := range all.records {
					m.put(record, &r)
				}
				send(r.Readings)
				return []soak.Result{{Frame: frame, Readings: r.Readings}}
			}
		},
		Valid: func(p []byte) bool {
			n := len(p)
			var sum byte
			for _, b := range p[4 : n-2] {
				sum += b
			}
			return p[0] == 0x68 && p[3] == 0x68 && p[1] == p[2] && int(p[1]) == n-6 && p[n-2] == sum && p[n-1] == 0x16
		},
	})
}
