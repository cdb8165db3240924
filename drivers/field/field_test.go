package field

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"sensorgate/drivers"
)

// Check values of the CRC catalogue: each sum over "123456789".
func TestCRCCheckValues(t *testing.T) {
	for name, want := range map[string]uint64{
		"crc8-smbus": 0xF4, "crc8-maxim": 0xA1, "crc8-nrsc5": 0xF7, "crc8-htu21": 0xA2,
		"crc16-modbus": 0x4B37, "crc16-arc": 0xBB3D, "crc16-x25": 0x906E, "crc16-kermit": 0x2189,
		"crc16-xmodem": 0x31C3, "crc16-ccitt": 0x29B1, "crc16-en-13757": 0xC2B7, "crc32": 0xCBF43926,
		"sum8": 0xDD, "sum16": 0x01DD, "xor8": 0x31, "neg8": 0x23, "neg16": 0xFE23, "inv8": 0x22,
	} {
		s, err := Named(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Of([]byte("123456789")); got != want {
			t.Errorf("%s: got %X, want %X", name, got, want)
		}
	}
	// Mixed reflection: CRC-12/UMTS style outputs do not occur in 8, 16 and 32 bits;
	// CRC-16/ARC without reflection is BUYPASS, check FEE8.
	s, err := CRC{Width: 16, Poly: 0x8005}.Sum()
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Of([]byte("123456789")); got != 0xFEE8 {
		t.Errorf("by parameters: got %X, want FEE8", got)
	}
}

// layout makes one from its TOML words.
func layout(t *testing.T, typ, order string) Layout {
	t.Helper()
	var l Layout
	if err := l.Type.UnmarshalText([]byte(typ)); err != nil {
		t.Fatal(err)
	}
	if order != "" {
		if err := l.Order.UnmarshalText([]byte(order)); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func TestNumbersInAllOrders(t *testing.T) {
	for _, c := range []struct {
		typ, order string
		in         []byte
		want       string
	}{
		{"u8", "", []byte{0xFE}, "254"},
		{"s8", "", []byte{0xFE}, "-2"},
		{"u16", "", []byte{0x12, 0x34}, "4660"},
		{"u16", "little", []byte{0x34, 0x12}, "4660"},
		{"s16", "BA", []byte{0xFE, 0xFF}, "-2"},
		{"u24", "little", []byte{0x03, 0x02, 0x01}, "66051"},
		{"s24", "", []byte{0xFF, 0xFF, 0xFF}, "-1"},
		{"u32", "ABCD", []byte{1, 2, 3, 4}, "16909060"},
		{"u32", "DCBA", []byte{4, 3, 2, 1}, "16909060"},
		{"u32", "CDAB", []byte{3, 4, 1, 2}, "16909060"},
		{"u32", "BADC", []byte{2, 1, 4, 3}, "16909060"},
		{"s64", "", []byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE}, "-2"},
		{"u64", "CDAB", []byte{0, 4, 0, 3, 0, 2, 0, 1}, "281483566841860"},
		// 230.2 V as energy meters send it
		{"f32", "", []byte{0x43, 0x66, 0x33, 0x33}, "230.2"},
		{"f32", "CDAB", []byte{0x33, 0x33, 0x43, 0x66}, "230.2"},
		{"f64", "", []byte{0x40, 0x09, 0x21, 0xFB, 0x54, 0x44, 0x2D, 0x18}, "3.141592653589793"},
		{"bcd16", "", []byte{0x12, 0x34}, "1234"},
		{"bcd32", "little", []byte{0x78, 0x56, 0x34, 0x12}, "12345678"},
		{"bool", "", []byte{7}, "true"},
	} {
		l := layout(t, c.typ, c.order)
		if err := l.Check(); err != nil {
			t.Fatal(err)
		}
		got, err := l.Decode(c.in)
		if err != nil || got.String() != c.want {
			t.Errorf("%s %s % X: got %v, %v, want %s", c.typ, c.order, c.in, got, err, c.want)
		}
		if c.typ == "bool" {
			continue
		}
		// and back
		p, err := l.Encode(drivers.Command{Payload: []byte(c.want)})
		if err != nil || string(p) != string(c.in) {
			t.Errorf("%s %s: %s encoded: got % X, %v, want % X", c.typ, c.order, c.want, p, err, c.in)
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestValueIsScaledNamedAndPlausible(t *testing.T) {
	scaled := Value{Scale: 0.1, Offset: -40, Invalid: []float64{0xFFFF}, Min: ptr(-40.0), Max: ptr(85.0)}
	for raw, want := range map[float64]string{636: "23.6", 0: "-40", 1236: "83.6"} {
		if got, err := scaled.Of(raw); err != nil || got.String() != want {
			t.Errorf("%v: got %v, %v, want %s", raw, got, err, want)
		}
	}
	if _, err := scaled.Of(0xFFFF); !errors.Is(err, ErrNone) {
		t.Errorf("invalid value: got %v, want no value", err)
	}
	if _, err := scaled.Of(math.NaN()); !errors.Is(err, ErrNone) {
		t.Errorf("NaN: got %v, want no value", err)
	}
	if v, err := scaled.Of(2000); err == nil || errors.Is(err, ErrNone) {
		t.Errorf("160 °C: got %v, want an error", v)
	}
	states := Value{Map: map[string]string{"0": "false", "1": "true", "2": "fault"}}
	for raw, want := range map[float64]drivers.Value{0: drivers.Bool(false), 1: drivers.Bool(true), 2: drivers.Text("fault")} {
		if got, err := states.Of(raw); err != nil || got != want {
			t.Errorf("%v: got %v, %v, want %v", raw, got, err, want)
		}
	}
	if _, err := states.Of(3); err == nil {
		t.Error("a value without a name was accepted")
	}
	for payload, want := range map[string]float64{"on": 1, "false": 0, "fault": 2} {
		if got, err := states.Raw(drivers.Command{Payload: []byte(payload)}); err != nil || got != want {
			t.Errorf("command %s: got %v, %v, want %v", payload, got, err, want)
		}
	}
}

func TestBitsOfARegister(t *testing.T) {
	b := Binary{At: -1, Layout: Layout{Bit: ptr(3)}}
	b.Type = types["u8"]
	if got, err := b.Decode([]byte{0xFF, 0x08}); err != nil || got != drivers.Bool(true) {
		t.Errorf("bit 3 of 08: got %v, %v", got, err)
	}
	b.Bit, b.Bits = nil, &[]int{4, 7}
	if got, err := b.Decode([]byte{0xA5}); err != nil || got.String() != "10" {
		t.Errorf("bits 4 to 7 of A5: got %v, %v", got, err)
	}
	b.Type = types["s8"]
	if got, err := b.Decode([]byte{0xF5}); err != nil || got.String() != "-1" {
		t.Errorf("signed bits 4 to 7 of F5: got %v, %v", got, err)
	}
	b.At = 3
	if _, err := b.Decode([]byte{1, 2, 3}); err == nil {
		t.Error("a byte outside the frame was decoded")
	}
}

func TestWhatDoesNotFitIsRefused(t *testing.T) {
	for _, c := range []struct{ typ, payload string }{
		{"u8", "256"}, {"u8", "-1"}, {"s8", "128"}, {"s16", "-32769"}, {"u64", "18446744073709551616"}, {"s64", "9223372036854775808"},
		{"bcd8", "100"}, {"f32", "1e39"}, {"u16", "on"}, {"bool", "3"},
	} {
		l := layout(t, c.typ, "")
		if p, err := l.Encode(drivers.Command{Payload: []byte(c.payload)}); !errors.Is(err, drivers.ErrRefused) {
			t.Errorf("%s as %s: got % X, %v, want a refusal", c.payload, c.typ, p, err)
		}
	}
}

func TestNumbersAsDevicesPrintThem(t *testing.T) {
	for in, want := range map[string]float64{"+   1.234": 1.234, "- 0,5": -0.5, "007": 7, ".5": 0.5, "1e3": 1000, "0xA0": 160} {
		if got, ok := ParseNumber(in); !ok || got != want {
			t.Errorf("%q: got %v, %v, want %v", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "-", "nan", "Inf", "1.2.3", "1,234.5", "1_0", "0x1p4", "12 kg"} {
		if got, ok := ParseNumber(in); ok {
			t.Errorf("%q: got %v, want none", in, got)
		}
	}
}

func TestPatternsAndBytes(t *testing.T) {
	var p Pattern
	if err := p.UnmarshalText([]byte(`AA ?? "x" C0`)); err != nil {
		t.Fatal(err)
	}
	if !p.Match([]byte{0xAA, 0x17, 'x', 0xC0, 1}) || p.Match([]byte{0xAA, 0x17, 'x', 0xC1}) || p.Match([]byte{0xAA}) {
		t.Error("the pattern takes the wrong bytes")
	}
	for _, bad := range []string{"?? AA", "A", "GG", `"x`, "0x42"} {
		if p.UnmarshalText([]byte(bad)) == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	var b Bytes
	if err := b.UnmarshalText([]byte(`FF "READ" 0d0A`)); err != nil || string(b) != "\xffREAD\r\n" {
		t.Errorf("got %q, %v", b, err)
	}
}

// DSMR meters write the CRC in hexadecimal after the last "!", one of them without
// leading zeros; DSMR 2 and 3 have none.
func TestCheckSumInDigits(t *testing.T) {
	crc, err := Named("crc16-arc")
	if err != nil {
		t.Fatal(err)
	}
	c := Check{Kind: crc, After: "!", Hex: true}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	short := 0
	for i := range 200 {
		body := fmt.Sprintf("/x%d\r\n!", i)
		sum := crc.Of([]byte(body))
		if sum < 0x1000 {
			short++
		}
		for _, form := range []string{"%s%04X\r\n", "%s%X\r\n", "%s%04x\r\n"} {
			if err := c.Verify(fmt.Appendf(nil, form, body, sum)); err != nil {
				t.Fatalf(form+": %v", body, sum, err)
			}
		}
		if c.Verify(fmt.Appendf(nil, "%s%04X\r\n", body, sum^1)) == nil {
			t.Fatal("a wrong sum was taken")
		}
	}
	if short == 0 {
		t.Error("no sum had a leading zero")
	}
	if c.Verify([]byte("/x\r\n!\r\n")) == nil {
		t.Error("a frame without its sum was taken")
	}
	c.Optional = true
	if err := c.Verify([]byte("/x\r\n!\r\n")); err != nil {
		t.Errorf("optional: %v", err)
	}
}

func FuzzBinary(f *testing.F) {
	f.Add(uint8(3), uint8(0), 0, []byte{0x43, 0x66, 0x33, 0x33})
	f.Add(uint8(9), uint8(5), -2, []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, typ, order uint8, at int, block []byte) {
		names, all := []Type{}, []Order{}
		for _, n := range []string{"u8", "u16", "u24", "u32", "u48", "u64", "s8", "s64", "f32", "f64", "bcd48", "bool"} {
			names = append(names, types[n])
		}
		for _, o := range []string{"big", "little", "CDAB", "BADC"} {
			all = append(all, orders[o])
		}
		b := Binary{At: at, Layout: Layout{Type: names[int(typ)%len(names)], Order: all[int(order)%len(all)]}}
		if v, err := b.Decode(block); err == nil && !v.Valid() {
			t.Errorf("no value and no error from % X", block)
		}
	})
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte("/x!AD3B"), -4, true)
	f.Add([]byte{0x42, 0x4D, 0, 0x8F}, -2, false)
	f.Fuzz(func(t *testing.T, frame []byte, at int, hex bool) {
		s, _ := Named("crc16-arc")
		c := Check{Kind: s, At: &at, Hex: hex}
		c.Verify(frame)
	})
}

// HTU21D data sheet, CRC checksum: the examples 0x683A, 0x4E85 and 0xDC.
func TestCRCOfTheHTU21(t *testing.T) {
	sum := Must("crc8-htu21")
	for block, want := range map[string]uint64{"\x68\x3A": 0x7C, "\x4E\x85": 0x6B, "\xDC": 0x79} {
		if got := sum.Of([]byte(block)); got != want {
			t.Errorf("% X: got %X, want %X", block, got, want)
		}
	}
}

// A P1 meter's 2.027 kW was published as 2027.0000000000002 W.
func TestScalingKeepsTheDigitsThatTheDeviceSent(t *testing.T) {
	for _, c := range []struct {
		text          string
		scale, offset float64
		want          string
	}{
		{"00002.027", 1000, 0, "2027"}, {"1236", 0.1, 0, "123.6"}, {"000286", 0.001, 0, "0.286"}, {"2981", 0.1, -273.15, "24.95"},
	} {
		v := Value{Scale: c.scale, Offset: c.offset}
		if got, err := v.OfText(c.text); err != nil || got.String() != c.want {
			t.Errorf("%s × %v: got %v, %v, want %s", c.text, c.scale, got, err, c.want)
		}
	}
	// And the way back, for commands.
	v := Value{Scale: 0.1, Offset: -40}
	if raw, err := v.Raw(drivers.Command{Payload: []byte("21.3")}); err != nil || raw != 613 {
		t.Errorf("21.3 as a raw number: got %v, %v, want 613", raw, err)
	}
	v = Value{Scale: 1000}
	if raw, err := v.Raw(drivers.Command{Payload: []byte("2027")}); err != nil || raw != 2.027 {
		t.Errorf("2027 as a raw number: got %v, %v, want 2.027", raw, err)
	}
}

func TestExtremeNumbersInAllOrders(t *testing.T) {
	for _, c := range []struct {
		typ, order string
		in         []byte
		want       bool
	}{
		{"u16", "", []byte{0xFF, 0xFF}, true}, {"u16", "", []byte{0xFF, 0xFE}, false}, {"s16", "", []byte{0x80, 0}, true}, {"s16", "", []byte{0xFF, 0xFF}, false},
		{"s32", "CDAB", []byte{0, 0, 0x80, 0}, true}, {"s32", "CDAB", []byte{0x80, 0, 0, 0}, false}, {"s32", "DCBA", []byte{0, 0, 0, 0x80}, true},
		{"u64", "", []byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, true}, {"s64", "", []byte{0x80, 0, 0, 0, 0, 0, 0, 0}, true},
		{"f32", "", []byte{0xFF, 0xFF, 0xFF, 0xFF}, false}, {"u8", "", []byte{0xFF}, true}, {"bcd16", "", []byte{0xFF, 0xFF}, false},
	} {
		l := layout(t, c.typ, c.order)
		if got := l.Extreme(c.in); got != c.want {
			t.Errorf("%s %s % X: got %v, want %v", c.typ, c.order, c.in, got, c.want)
		}
	}
}
