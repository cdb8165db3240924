package modbus

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest/soak"
	"sensorgate/drivers/field"
	"sensorgate/internal/mapping"
)

// soaked is a unit with one block of all kinds of numbers, from registers to messages.
type soaked struct {
	device   device
	block    *block
	request  request
	mapper   *mapping.Mapper
	readings []drivers.Reading
}

const soakedUnit = 17

// soakedRanges are what a user would write down for such a meter.
var soakedRanges = map[string][2]float64{"voltage": {0, 400}, "power": {-1e6, 1e6}, "energy": {0, 1e9}, "temperature": {-50, 150}, "total": {0, 1e9}}

func newSoaked(t *testing.T) *soaked {
	t.Helper()
	channels := map[string]Channel{
		"voltage":     {Holding: ptr(0), Layout: typed(t, "u16")},
		"power":       {Holding: ptr(1), Layout: typed(t, "f32")},
		"energy":      {Holding: ptr(3), Layout: typed(t, "u64"), SF: ptr(7)},
		"temperature": {Holding: ptr(8), Layout: typed(t, "s16")},
		"total":       {Holding: ptr(9), Layout: typed(t, "bcd32"), Plus: []int{11}},
		"state":       {Holding: ptr(13), Layout: field.Layout{Value: field.Value{Map: map[string]string{"0": "off", "1": "on"}}}},
		"flag":        {Holding: ptr(14), Layout: field.Layout{Bit: ptr(3)}},
		"maker":       {Holding: ptr(15), Layout: typed(t, "text")},
	}
	s := &soaked{}
	s.device.report = func(r drivers.Reading, err error) {
		if err == nil {
			s.readings = append(s.readings, r)
		}
	}
	var items []*item
	d := mapping.Device{Name: "meter", Node: "n", TopicTemplate: "{node}/{device}/{channel}"}
	for name, o := range channels {
		switch name {
		case "voltage", "temperature":
			o.Scale = 0.1
		case "maker":
			o.Len = 6
		}
		if r, ok := soakedRanges[name]; ok {
			o.Min, o.Max = &r[0], &r[1]
		}
		if err := o.Check(); err != nil {
			t.Fatal(name, err)
		}
		_, at := o.place()
		c, i := newChannel(name, "", o, at)
		i.table, i.every = Holding, time.Second
		items = append(items, i)
		s.device.channels = append(s.device.channels, c)
		d.Channels = append(d.Channels, mapping.Channel{Name: name})
	}
	blocks := plan(items, limits{registers: maxReadRegisters})
	if len(blocks) != 1 {
		t.Fatalf("%d blocks, want 1", len(blocks))
	}
	s.block, s.mapper = blocks[0], mapping.New(d)
	s.request = readRequest(Holding, uint16(s.block.at), s.block.width)
	return s
}

// take makes readings and messages of the data of an answer.
func (s *soaked) take(data []byte) []drivers.Reading {
	s.readings = nil
	s.device.readings(s.block, data, time.Unix(1e9, 0))
	for range s.mapper.Messages(s.readings, true) {
	}
	return s.readings
}

// good are answers' PDUs of a unit that works.
func (s *soaked) good() (pdus [][]byte) {
	for _, registers := range [][]uint16{
		{2301, 0x4396, 0x2666, 0, 0, 1, 0xE240, 0xFFFE, 0xFF85, 0x1234, 0x5678, 0, 0x0042, 1, 8, 0x4163, 0x6D65, 0x2020},
		{2298, 0xC496, 0x8000, 0, 0, 0, 7, 0, 245, 0, 0, 0x9999, 0x9999, 0, 0, 0x4163, 0x6D65, 0x3200},
	} {
		pdu := []byte{readHolding, byte(2 * len(registers))}
		for _, r := range registers {
			pdu = binary.BigEndian.AppendUint16(pdu, r)
		}
		pdus = append(pdus, pdu)
	}
	return pdus
}

func (s *soaked) ranges() drivers.Ranges {
	ranges := drivers.Ranges{}
	for name, r := range soakedRanges {
		ranges[name] = drivers.Channel{Name: name, Min: r[0], Max: r[1]}
	}
	return ranges
}

// bitwiseCRC is the CRC of Modbus over serial line 6.2.2, a bit at a time.
func bitwiseCRC(p []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, b := range p {
		crc ^= uint16(b)
		for range 8 {
			low := crc & 1
			if crc >>= 1; low != 0 {
				crc ^= 0xA001
			}
		}
	}
	return crc
}

func TestSoakModbusRTU(t *testing.T) {
	s := newSoaked(t)
	var frames [][]byte
	for _, pdu := range s.good() {
		frames = append(frames, seal(soakedUnit, pdu))
	}
	soak.Run(t, soak.Protocol{
		Name: "Modbus RTU", Frames: frames, Ranges: s.ranges(),
		Path: func() func([]byte) []soak.Result {
			return func(wire []byte) []soak.Result {
				pdu, _, ok := find(wire, soakedUnit, s.request)
				if !ok {
					return nil
				}
				at := cap(wire) - cap(pdu)
				frame := wire[at-1 : at+len(pdu)+2]
				data, err := s.request.check(pdu)
				if err != nil {
					return []soak.Result{{Frame: frame}}
				}
				return []soak.Result{{Frame: frame, Readings: s.take(data)}}
			}
		},
		Valid: func(f []byte) bool {
			n := len(f) - 2
			return n > 2 && f[0] == soakedUnit && f[1] == readHolding && int(f[2]) == n-3 && bitwiseCRC(f[:n]) == uint16(f[n])|uint16(f[n+1])<<8
		},
		Repair: func(f []byte) []byte {
			if len(f) < 3 {
				return f
			}
			return binary.LittleEndian.AppendUint16(f[:len(f)-2], bitwiseCRC(f[:len(f)-2]))
		},
	})
}

func TestSoakModbusTCP(t *testing.T) {
	s := newSoaked(t)
	const id = 4711
	var frames [][]byte
	for _, pdu := range s.good() {
		head := []byte{id >> 8, id & 0xFF, 0, 0, 0, byte(len(pdu) + 1), soakedUnit}
		frames = append(frames, append(head, pdu...))
	}
	soak.Run(t, soak.Protocol{
		Name: "Modbus TCP", Frames: frames, Ranges: s.ranges(),
		Path: func() func([]byte) []soak.Result {
			return func(wire []byte) []soak.Result {
				for {
					adu, rest, err := cutADU(wire)
					if err != nil || adu == nil {
						return nil // the connection is dropped, or the answer is late
					}
					if wire = rest; binary.BigEndian.Uint16(adu) != id || adu[6] != soakedUnit {
						continue
					}
					data, err := s.request.check(adu[mbapHeader:])
					if err != nil {
						return nil
					}
					return []soak.Result{{Frame: adu, Readings: s.take(data)}}
				}
			}
		},
		// The header is all that there is to check: a sum has TCP.
		Valid: func(f []byte) bool {
			return len(f) > 9 && f[0] == id>>8 && f[1] == id&0xFF && f[2] == 0 && f[3] == 0 && int(f[4])<<8|int(f[5]) == len(f)-6 && f[6] == soakedUnit &&
				f[7] == readHolding && int(f[8]) == len(f)-9
		},
	})
}

// An exception that was made of a good answer by damage is an error, never a value.
func TestSoakExceptions(t *testing.T) {
	r := readRequest(Holding, 0, 1)
	for code := range 256 {
		pdu, _, ok := find(seal(1, []byte{readHolding | exceptionBit, byte(code)}), 1, r)
		if !ok {
			t.Fatalf("exception %d was not found", code)
		}
		if data, err := r.check(pdu); !errors.As(err, new(exception)) || data != nil {
			t.Errorf("exception %d: got % X, %v", code, data, err)
		}
	}
}
