package history

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// Numbers of every length come back, wherever in a byte they begin and however near the
// end of the bytes they are.
func TestNibblesOfEveryLength(t *testing.T) {
	for bit := range 64 {
		for _, v := range []uint64{1<<bit - 1, 1 << bit, 1<<bit | 1} {
			for before := range 3 {
				for behind := range 20 {
					w := &nibbles{}
					for range before {
						w.put(5)
					}
					w.uint(v)
					for range behind {
						w.put(7)
					}
					r := &nibbleReader{b: w.b, pos: before}
					if got := r.uint(); got != v || r.err != nil {
						t.Fatalf("%X, %d before and %d behind: got %X, %v", v, before, behind, got, r.err)
					}
					for range behind {
						if got := r.uint(); got != 7 {
							t.Fatalf("behind %X: got %d", v, got)
						}
					}
				}
			}
		}
	}
	endless := &nibbleReader{b: []byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}}
	if got := endless.uint(); got != 0 || endless.err == nil {
		t.Errorf("a number without an end: %X, %v", got, endless.err)
	}
}

// The summary of a chunk is that of its points, one by one: out of order, at the edges of
// slots and of the range, with numbers that are decimal, large or of no decimals.
func TestChunksAddUpAsTheirPoints(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 5))
	for round := range 400 {
		n := 1 + rnd.IntN(1200)
		times, values := make([]int32, n), make([]float64, n)
		for i := range times {
			times[i] = int32(i*1000 + rnd.IntN(3000)*rnd.IntN(2))
			switch round % 4 {
			case 0:
				values[i] = math.Round(rnd.NormFloat64()*1000) / 10
			case 1:
				values[i] = rnd.NormFloat64()
			case 2:
				values[i] = float64(int64(maxWhole-1) - rnd.Int64N(3)) // whose sum is large
			default:
				values[i] = 0.1 // whose mean is 0.1
			}
		}
		const shift = 777
		base := epoch.UnixMilli()
		from, to := base+int64(rnd.IntN(n))*500, base+int64(n)*1000-int64(rnd.IntN(n))*400
		fast, slow := newSlots(1000+rnd.Int64N(1_500_000)), &slots{}
		fast.offset = rnd.Int64N(3) * 3_600_000
		*slow = *newSlots(fast.width)
		slow.offset = fast.offset
		b := encodePoints(base, times, values)
		newest, err := fast.addChunk(b, shift, from, to)
		if err != nil {
			t.Fatal(err)
		}
		last := from - 1
		if err := decodePoints(b, shift, func(p Point) {
			if p.Time >= from && p.Time < to {
				slow.add(p)
				last = max(last, p.Time)
			}
		}); err != nil {
			t.Fatal(err)
		}
		got, want := fast.sorted(), slow.sorted()
		if len(got) != len(want) || newest != last {
			t.Fatalf("round %d: %d slots to %d, want %d to %d", round, len(got), newest, len(want), last)
		}
		for i, w := range want {
			g := got[i]
			if off := math.Abs(g.Mean - w.Mean); off > 1e-9*max(1, math.Abs(w.Mean)) || round%4 == 3 && g.Mean != 0.1 {
				t.Errorf("round %d: mean %v, want %v", round, g.Mean, w.Mean)
			}
			if g.Mean = w.Mean; fmt.Sprint(g) != fmt.Sprint(w) {
				t.Errorf("round %d: %+v, want %+v", round, g, w)
			}
		}
	}
}

// What a long range costs of the processor: go test -run - -bench Range ./internal/history
func BenchmarkRange(b *testing.B) {
	s := openStore(b, Options{Dir: b.TempDir()})
	end := fill(s, 58, time.Second, 48*time.Hour, epoch)
	s.flush()
	for _, q := range []struct{ span, every time.Duration }{{3 * time.Hour, 0}, {33 * time.Hour, 0}, {48 * time.Hour, 87 * time.Second}} {
		b.Run(q.span.String(), func(b *testing.B) {
			for b.Loop() {
				query(b, s, Query{Series: "device05/channel3", From: end.Add(-q.span), To: end, Every: q.every})
			}
		})
	}
	s.close()
}
