package field

import (
	"strconv"
	"testing"
)

// frame is a typical frame of an air quality sensor: 32 bytes with a sum at the end.
var frame = []byte{
	0x42, 0x4D, 0x00, 0x1C, 0x00, 0x05, 0x00, 0x07, 0x00, 0x09, 0x00, 0x05, 0x00, 0x07, 0x00, 0x09,
	0x04, 0xD1, 0x01, 0x7A, 0x00, 0x2C, 0x00, 0x04, 0x00, 0x02, 0x00, 0x00, 0x97, 0x00, 0x02, 0xEE,
}

// BenchmarkDecode takes one value of each kind out of the frame.
func BenchmarkDecode(b *testing.B) {
	for _, c := range []struct {
		name, typ, order string
		value            Value
	}{
		{"u16", "u16", "big", Value{}},
		{"u16 scaled", "u16", "big", Value{Scale: 0.1}},
		{"s16 scaled and offset", "s16", "big", Value{Scale: 0.1, Offset: -40}},
		{"u32 CDAB with invalid values and range", "u32", "CDAB", Value{Scale: 0.01, Invalid: []float64{0xFFFF, 0x8000}, Min: new(float64)}},
		{"f32", "f32", "big", Value{}},
		{"s64 little", "s64", "little", Value{Scale: 0.001}},
		{"bcd32", "bcd32", "little", Value{}},
		{"bool", "bool", "big", Value{}},
		{"map", "u8", "big", Value{Map: map[string]string{"0": "off", "5": "on"}}},
		{"text", "text", "big", Value{}},
	} {
		b.Run(c.name, func(b *testing.B) {
			f := Binary{At: 5, Layout: Layout{Value: c.value}}
			if err := f.Type.UnmarshalText([]byte(c.typ)); err != nil {
				b.Fatal(err)
			}
			if err := f.Order.UnmarshalText([]byte(c.order)); err != nil {
				b.Fatal(err)
			}
			in := frame
			switch {
			case f.Type.IsText():
				f.Len, in = 8, []byte("12345Energy Meter")
			case c.typ == "bcd32":
				in = []byte{0, 0, 0, 0, 0, 0x78, 0x56, 0x34, 0x12}
			case c.typ == "f32":
				in = []byte{0, 0, 0, 0, 0, 0x43, 0x66, 0x33, 0x33}
			}
			if err := f.Layout.Check(); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Decode(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFrame is what one frame costs: its sum and three values.
func BenchmarkFrame(b *testing.B) {
	kind, err := Named("sum16")
	if err != nil {
		b.Fatal(err)
	}
	at := -2
	check := Check{Kind: kind, At: &at}
	fields := []Binary{{At: 10}, {At: 12}, {At: 14, Layout: Layout{Value: Value{Scale: 0.1}}}}
	b.ReportAllocs()
	for b.Loop() {
		if err := check.Verify(frame); err != nil {
			b.Fatal(err)
		}
		for i := range fields {
			if _, err := fields[i].Decode(frame); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkOfText(b *testing.B) {
	v := Value{Scale: 1000}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.OfText("00002.027"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSum(b *testing.B) {
	block := make([]byte, 256)
	for i := range block {
		block[i] = byte(i)
	}
	for _, name := range []string{"sum8", "crc8-maxim", "crc16-modbus", "crc16-x25", "crc32"} {
		for _, size := range []int{8, 256} {
			b.Run(name+"/"+strconv.Itoa(size), func(b *testing.B) {
				s, err := Named(name)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					s.Of(block[:size])
				}
			})
		}
	}
}
