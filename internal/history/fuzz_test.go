package history

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"sensorgate/internal/disk/crashdisk"
)

// FuzzChunk decodes anything: an error or bounded results, never a panic.
func FuzzChunk(f *testing.F) {
	times, values := []int32{0, 1000, 2001}, []float64{1.5, 2.5, -3}
	f.Add(encodePoints(1e12, times, values))
	f.Add(encodePoints(1e12, times, []float64{1e300, 2, 3}))
	slot := []Point{{Time: 60_000, Min: 1, Mean: 1.5, Max: 2, Last: 2, N: 2}, {Time: 180_000, Min: 1, Mean: 1, Max: 1, Last: 1, N: 1}}
	f.Add(encodeSlots(Number, 60_000, slot))
	f.Add(encodeSlots(Total, 60_000, slot))
	f.Add(encodeChanges([]Change{{1, "on"}, {2, "off"}, {3, "on"}}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		point := func(p Point) {
			n++
			if !finite(p) {
				t.Errorf("a point that is not finite: %+v", p)
			}
		}
		_ = decodePoints(b, 0, point)
		_ = decodeSlots(Number, 60_000, 0, b, point)
		_ = decodeSlots(Total, 900_000, 0, b, point)
		_ = decodeChanges(b, 0, func(Change) { n++ })
		if n > 4*maxChunk {
			t.Errorf("%d results", n)
		}
	})
}

// FuzzOpen opens a store that was damaged anywhere: it opens, answers and takes values.
func FuzzOpen(f *testing.F) {
	disk := crashdisk.New(rand.New(rand.NewPCG(1, 1)))
	s := openStore(f, Options{Dir: "h", FS: disk})
	fill(s, 3, 10*time.Second, 5*time.Hour, epoch)
	s.flush()
	s.close()
	name := disk.Files("00000.hist")[0]
	f.Add(uint32(0), []byte("x"))
	f.Add(uint32(8), []byte{0, 0, 0, 0})
	f.Add(uint32(sector), bytes.Repeat([]byte{0xff}, 100))
	f.Add(uint32(sector+frameHeader), bytes.Repeat([]byte{0}, 40))
	f.Add(uint32(sector+8), []byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, at uint32, b []byte) {
		image := disk.Clone(rand.New(rand.NewPCG(1, 1)))
		data := bytes.Clone(image.Data(name))
		copy(data[int(at)%len(data):], b)
		image.Replace(name, data)
		s, err := Open(Options{Dir: "h", FS: image})
		if err != nil {
			return // a newer format
		}
		s.Add("new/x", Number, epoch.Add(6*time.Hour), Value{Number: 1})
		s.flush()
		s.roll(epoch.Add(30 * time.Hour))
		if err := s.Export(io.Discard, nil); err != nil {
			t.Error(err)
		}
		a := query(t, s, Query{Series: "new/x", From: epoch, To: epoch.Add(10 * time.Hour)})
		if len(a.Points) != 1 || s.Stats().Problem != nil {
			t.Errorf("%d points, problem %v", len(a.Points), s.Stats().Problem)
		}
		s.close()
	})
}
