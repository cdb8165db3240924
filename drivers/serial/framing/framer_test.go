package framing

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
)

// framings are one of each kind, by name.
func framings(t testing.TB) map[string]*Framing {
	t.Helper()
	pattern := func(s string) (p field.Pattern) {
		if err := p.UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
		return p
	}
	sum := func(name string, at int) *field.Check {
		s, err := field.Named(name)
		if err != nil {
			t.Fatal(err)
		}
		return &field.Check{Kind: s, At: &at}
	}
	two := 2
	all := map[string]*Framing{
		"sync":  {Sync: pattern("42 4D"), Length: &Length{At: &two, Add: 4}, Check: sum("sum16", -2), Max: 64},
		"wild":  {Sync: pattern("AA ?? C0"), Length: &Length{Fixed: 10}, Check: sum("xor8", 9), Max: 64},
		"text":  {Start: "/", End: "\r\n!", ToEOL: true, Max: 256},
		"end":   {End: "\n.", Tail: 1, Max: 64},
		"gap":   {Gap: 10 * time.Millisecond, Max: 64},
		"fixed": {Length: &Length{Fixed: 7}, Check: sum("crc8-maxim", -1), Max: 64},
	}
	for name, f := range all {
		if err := f.check(); err != nil {
			t.Fatal(name, err)
		}
	}
	return all
}

// cutAll feeds bytes in chunks and gives the frames.
func cutAll(f Framer, wire []byte, chunk int, at time.Time) (frames [][]byte, times []time.Time) {
	for len(wire) > 0 {
		n := min(chunk, len(wire))
		f.Push(wire[:n], at)
		at = at.Add(time.Second)
		wire = wire[n:]
		for {
			frame, at, err, ok := f.Next()
			if !ok {
				break
			}
			if err == nil {
				frames, times = append(frames, bytes.Clone(frame)), append(times, at)
			}
		}
	}
	return frames, times
}

func pmsFrame(value byte) []byte {
	p := append([]byte{0x42, 0x4D, 0, 28}, bytes.Repeat([]byte{0, value}, 13)...)
	s, _ := field.Named("sum16")
	sum := s.Of(p)
	return append(p, byte(sum>>8), byte(sum))
}

// A frame that was cut short swallows the beginning of the next one; that one must be
// found inside it.
func TestResynchroniseInsideARejectedFrame(t *testing.T) {
	wire := append(append([]byte{0xFF, 0x42}, pmsFrame(1)[:10]...), pmsFrame(2)...)
	wire = append(append(wire, 0x42, 0x4D, 0xFF, 0xFF), pmsFrame(3)...)
	for _, chunk := range []int{1, 7, len(wire)} {
		frames, _ := cutAll(framings(t)["sync"].framer(), wire, chunk, time.Unix(0, 0))
		if len(frames) != 2 || frames[0][5] != 2 || frames[1][5] != 3 {
			t.Errorf("chunks of %d: got % X, want frames 2 and 3", chunk, frames)
		}
	}
}

func TestTimeIsThatOfTheFirstByte(t *testing.T) {
	wire := append([]byte("noise"), pmsFrame(1)...)
	f := framings(t)["sync"].framer()
	_, times := cutAll(f, wire, 1, time.Unix(100, 0)) // a byte a second
	if len(times) != 1 || !times[0].Equal(time.Unix(105, 0)) {
		t.Errorf("got %v, want 105 s: five bytes of noise came before", times)
	}
	f = framings(t)["sync"].framer()
	f.CharTime = time.Millisecond
	_, times = cutAll(f, wire, len(wire), time.Unix(100, 0)) // all at once: the wire took its time
	if len(times) != 1 || !times[0].Equal(time.Unix(100, 5e6)) {
		t.Errorf("got %v, want 5 ms after the first byte of noise", times)
	}
}

func TestGapEndsAFrame(t *testing.T) {
	f := framings(t)["gap"].framer()
	f.Push([]byte("hel"), time.Unix(1, 0))
	f.Push([]byte("lo"), time.Unix(1, 1e6))
	if _, _, _, ok := f.Next(); ok {
		t.Error("a frame before the gap")
	}
	if frame, at, err, ok := f.Silence(); !ok || err != nil || string(frame) != "hello" || !at.Equal(time.Unix(1, 0)) {
		t.Errorf("got %q at %v, %v", frame, at, err)
	}
	f.Push(bytes.Repeat([]byte("x"), 100), time.Unix(2, 0))
	if _, _, err, ok := f.Next(); !ok || err == nil {
		t.Error("100 bytes without a gap and max = 64: no error")
	}
}

func TestUnfinishedFrameEndsWithTheGap(t *testing.T) {
	f := framings(t)["sync"]
	f.Gap = 10 * time.Millisecond
	r := f.framer()
	r.Push(pmsFrame(1)[:20], time.Unix(1, 0))
	if _, _, _, ok := r.Next(); ok {
		t.Fatal("half a frame was taken")
	}
	if _, _, err, ok := r.Silence(); !ok || err == nil {
		t.Error("a frame cut short was not told")
	}
	r.Push(pmsFrame(2), time.Unix(2, 0))
	if frame, _, err, ok := r.Next(); !ok || err != nil || frame[5] != 2 {
		t.Errorf("the next one: got % X, %v", frame, err)
	}
}

func TestFramingIsChecked(t *testing.T) {
	for what, f := range map[string]*Framing{
		"nothing":               {Max: 10},
		"start without end":     {Start: "/", Max: 10},
		"two ways":              {End: "\n", Length: &Length{Fixed: 3}, Max: 10},
		"sync without length":   {Sync: field.Pattern{Bytes: []byte{1}, Any: []bool{false}}, Max: 10},
		"length without anchor": {Length: &Length{Fixed: 3}, Max: 10},
		"no max":                {End: "\n"},
		"no length":             {Sync: field.Pattern{Bytes: []byte{1}, Any: []bool{false}}, Length: &Length{}, Max: 10},
	} {
		if f.check() == nil {
			t.Errorf("%s was accepted", what)
		}
	}
}

// Whatever comes, a framer makes progress, keeps little, and gives only what passes.
func FuzzFramer(f *testing.F) {
	f.Add(append([]byte{0x42}, pmsFrame(1)...), 3)
	f.Add([]byte("/ISk5\r\n1-0:1.8.1(1)\r\n!AD3B\r\n"), 1)
	f.Add([]byte("a\n.b\n.c"), 2)
	f.Add(bytes.Repeat([]byte{0xAA}, 300), 64)
	all := framings(f)
	f.Fuzz(func(t *testing.T, wire []byte, chunk int) {
		chunk = max(1, min(chunk, 4096))
		for name, framing := range all {
			r, rest := framing.framer(), wire
			for len(rest) > 0 {
				n := min(chunk, len(rest))
				r.Push(rest[:n], time.Unix(0, 0))
				rest = rest[n:]
				for steps := 0; ; steps++ {
					frame, _, err, ok := r.Next()
					if !ok {
						break
					}
					if steps > 2*(chunk+framing.Max)+10 {
						t.Fatalf("%s: no progress", name)
					}
					if err == nil && framing.verify(frame) != nil {
						t.Errorf("%s: gave a frame that does not verify: % X", name, frame)
					}
				}
				if kept := len(r.buf) - r.start; kept > 2*framing.Max+chunk {
					t.Fatalf("%s keeps %d bytes", name, kept)
				}
			}
			r.Silence()
		}
	})
}

func BenchmarkFramer(b *testing.B) {
	for name, c := range map[string]struct {
		framing string
		wire    []byte
	}{
		"binary":  {"sync", bytes.Repeat(pmsFrame(1), 100)},
		"text":    {"text", bytes.Repeat([]byte("/ISk5\r\n"+strings.Repeat("1-0:1.8.1(000004.426*kWh)\r\n", 4)+"!\r\n"), 100)},
		"garbage": {"sync", garbage(4000)},
	} {
		b.Run(name, func(b *testing.B) {
			f := framings(b)[c.framing].framer()
			frames := 0
			at := time.Unix(0, 0)
			b.SetBytes(int64(len(c.wire)))
			b.ReportAllocs()
			for b.Loop() {
				f.Push(c.wire, at)
				for {
					_, _, err, ok := f.Next()
					if !ok {
						break
					}
					if err == nil {
						frames++
					}
				}
			}
			b.ReportMetric(float64(frames)/b.Elapsed().Seconds(), "frames/s")
		})
	}
}

func garbage(n int) []byte {
	r := rand.NewChaCha8([32]byte{7})
	p := make([]byte, n)
	r.Read(p)
	return p
}

func ExampleLine() {
	var l serial.Line
	if err := l.UnmarshalText([]byte("19200 7e1")); err != nil {
		fmt.Println(err)
	}
	fmt.Println(l, l.CharTime())
	fmt.Println(l.UnmarshalText([]byte("9600 9N1")))
	// Output:
	// 19200 7E1 520.833µs
	// found "9N1", expected data bits 5 to 8, parity N, E, O, M or S, stop bits 1 or 2, such as 8N1
}
