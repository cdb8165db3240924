package mapping

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sensorgate/drivers"
)

var epoch = time.Date(2026, 11, 23, 3, 0, 0, 123e6, time.UTC)

// each runs a property over many random cases; the seed is in the failure.
func each(t *testing.T, n int, property func(t *testing.T, r *rand.Rand)) {
	t.Helper()
	for seed := range uint64(n) {
		property(t, rand.New(rand.NewPCG(seed, 42)))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func one(f Filters) *channel {
	d := Device{Name: "d", Node: "n", TopicTemplate: "{node}/{device}/{channel}"}
	return newChannel(&d, Channel{Name: "x", Filters: f})
}

func TestCalibrateInOrder(t *testing.T) {
	f := Filters{Scale: 2, Offset: 1, Points: [][2]float64{{0, 100}, {10, 200}}, Clamp: &[2]float64{0, 180}}
	for _, c := range []struct{ in, want float64 }{
		{0, 110},   // 0·2+1 = 1, which is 110 on the line
		{4.5, 180}, // 10 is 200, clamped
		{-10, 0},   // −19 is −90 beyond the first point, clamped
	} {
		if got := calibrate(&f, c.in); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("calibrate(%v) = %v, want %v", c.in, got, c.want)
		}
	}
	if got := calibrate(&Filters{Offset: -0.4}, 21.4); math.Abs(got-21) > 1e-9 {
		t.Errorf("without a scale the value is kept: got %v", got)
	}
}

// In its points a calibration is exact, between them it is between their values, and
// through growing points it never falls.
func TestPointsProperties(t *testing.T) {
	each(t, 200, func(t *testing.T, r *rand.Rand) {
		n := 1 + r.IntN(8)
		points := make([][2]float64, n)
		x, y := r.NormFloat64()*100, r.NormFloat64()*100
		for i := range points {
			points[i] = [2]float64{x, y}
			x += 0.01 + r.Float64()*10
			y += r.Float64() * 10
		}
		for _, p := range points {
			if got := interpolate(points, p[0]); got != p[1] {
				t.Errorf("at the point %v: %v", p, got)
			}
		}
		last := math.Inf(-1)
		for x := points[0][0] - 5; x < points[n-1][0]+5; x += 0.37 {
			got := interpolate(points, x)
			if got < last-1e-9 {
				t.Errorf("falls at %v: %v after %v", x, got, last)
			}
			last = got
		}
	})
}

func TestClampStaysInside(t *testing.T) {
	each(t, 200, func(t *testing.T, r *rand.Rand) {
		lo := r.NormFloat64() * 10
		f := Filters{Scale: r.NormFloat64() * 3, Offset: r.NormFloat64(), Clamp: &[2]float64{lo, lo + r.Float64()*10}}
		if got := calibrate(&f, r.NormFloat64()*100); got < f.Clamp[0] || got > f.Clamp[1] {
			t.Errorf("%v is outside of %v", got, *f.Clamp)
		}
	})
}

// The median is one of what it has seen (or between two of them), and a single wrong
// value among good ones never gets through.
func TestMedianProperties(t *testing.T) {
	each(t, 200, func(t *testing.T, r *rand.Rand) {
		w := window{size: 1 + 2*r.IntN(4)}
		var seen []float64
		for range 30 {
			x := r.NormFloat64()
			seen = append(seen, x)
			recent := seen[max(0, len(seen)-w.size):]
			got := median(w.push(x))
			if got < slices.Min(recent) || got > slices.Max(recent) {
				t.Errorf("median %v of %v", got, recent)
			}
		}
	})
	c := one(Filters{Median: 5})
	for i := range 50 {
		x := 20.0
		if i%7 == 6 {
			x = 85 // what a DS18B20 says after a brown-out
		}
		if v, _ := c.value(drivers.Number(x)); v != drivers.Number(20) {
			t.Errorf("value %d: %v got through", i, v)
		}
	}
}

func TestAverageProperties(t *testing.T) {
	each(t, 200, func(t *testing.T, r *rand.Rand) {
		w := window{size: 1 + r.IntN(9)}
		var seen []float64
		for range 30 {
			x := r.NormFloat64() * math.Pow(10, float64(r.IntN(6)))
			seen = append(seen, x)
			recent := seen[max(0, len(seen)-w.size):]
			sum := 0.0
			for _, s := range recent {
				sum += s
			}
			want := sum / float64(len(recent))
			if got := mean(w.push(x)); math.Abs(got-want) > 1e-6*(1+math.Abs(slices.Max(recent))+math.Abs(slices.Min(recent))) {
				t.Errorf("mean %v of %v, want %v", got, recent, want)
			}
		}
	})
	big := window{size: 3}
	big.push(math.MaxFloat64)
	if got := mean(big.push(math.MaxFloat64)); math.IsInf(got, 0) {
		t.Error("two large values overflow their mean")
	}
}

func TestRoundProperties(t *testing.T) {
	each(t, 500, func(t *testing.T, r *rand.Rand) {
		digits := r.IntN(8) - 2
		x := r.NormFloat64() * math.Pow(10, float64(r.IntN(8)))
		got := round(x, digits)
		if half := 0.5 * math.Pow10(-digits); math.Abs(got-x) > half*(1+1e-9) {
			t.Errorf("round(%v, %d) = %v, off by more than %v", x, digits, got, half)
		}
		if again := round(got, digits); again != got {
			t.Errorf("rounding %v again gives %v", got, again)
		}
	})
	if got := round(math.MaxFloat64, 9); got != math.MaxFloat64 {
		t.Errorf("the largest number became %v", got)
	}
}

// Whatever the jitter: at most one message per interval over any time, none of the
// intervals is skipped, and the newest value always gets out in the end.
func TestThrottleProperties(t *testing.T) {
	each(t, 100, func(t *testing.T, r *rand.Rand) {
		every := time.Duration(1+r.IntN(60)) * time.Second
		poll := every / time.Duration(1+r.IntN(12))
		m := New(Device{Name: "d", Node: "n", TopicTemplate: "{channel}", Payload: Plain, Channels: []Channel{{Name: "x", Filters: Filters{Every: every}}}})
		now, published, last, lastOut := epoch, 0, "", ""
		for i := range 500 {
			jitter := time.Duration(r.Int64N(int64(poll)/20 + 1))
			at := now.Add(jitter)
			if next, ok := m.Next(); ok && next.Before(at) {
				for _, msg := range m.Tick(next, true) {
					published++
					lastOut = string(msg.Payload)
				}
			}
			v := drivers.Number(float64(i))
			last = v.String()
			for _, msg := range m.Messages([]drivers.Reading{{Channel: "x", Value: v, Time: at}}, true) {
				published++
				lastOut = string(msg.Payload)
			}
			now = now.Add(poll)
		}
		for _, msg := range m.Flush(true) {
			lastOut = string(msg.Payload)
		}
		intervals := int(now.Sub(epoch)/every) + 2
		if published > intervals {
			t.Errorf("every %v, polled every %v: %d messages in %d intervals", every, poll, published, intervals)
		}
		if published < intervals*8/10-2 {
			t.Errorf("every %v, polled every %v: only %d messages in %d intervals", every, poll, published, intervals)
		}
		if lastOut != last {
			t.Errorf("the newest value %s never got out, the last was %s", last, lastOut)
		}
	})
}

// What subscribers have is never further from the truth than the deadband, and never
// older than at_least and one poll.
func TestDeadbandProperties(t *testing.T) {
	each(t, 200, func(t *testing.T, r *rand.Rand) {
		f := Filters{Deadband: 0.1 + r.Float64()*5, AtLeast: time.Duration(r.IntN(3)) * 30 * time.Second}
		c := one(f)
		x, out := 0.0, math.NaN()
		var outTime time.Time
		for i := range 300 {
			x += r.NormFloat64()
			at := epoch.Add(time.Duration(i) * time.Second)
			if rd, ok := c.pass(drivers.Reading{Channel: "x", Value: drivers.Number(x), Time: at}); ok {
				out, _ = rd.Value.Number()
				outTime = at
			}
			if !(math.Abs(x-out) < f.Deadband) {
				t.Errorf("subscribers have %v, it is %v, deadband %v", out, x, f.Deadband)
			}
			if f.AtLeast > 0 && at.Sub(outTime) >= f.AtLeast {
				t.Errorf("nothing for %v, at_least %v", at.Sub(outTime), f.AtLeast)
			}
		}
	})
}

func TestUnchangedTextsAreHeldBack(t *testing.T) {
	c := one(Filters{AtLeast: time.Minute})
	var got []string
	for i, v := range []string{"open", "open", "closed", "closed", "open"} {
		if r, ok := c.pass(drivers.Reading{Channel: "x", Value: drivers.Text(v), Time: epoch.Add(time.Duration(i) * time.Second)}); ok {
			got = append(got, r.Value.String())
		}
	}
	if want := []string{"open", "closed", "open"}; !slices.Equal(got, want) {
		t.Errorf("published %v, want %v", got, want)
	}
}

// Overflow in a calibration is no reading, not an infinity.
func TestOverflowIsNoReading(t *testing.T) {
	c := one(Filters{Scale: 1e300})
	if v, ok := c.value(drivers.Number(1e300)); ok {
		t.Errorf("1e600 became %v", v)
	}
}

func TestCalibrationKeepsTheDecimalDigits(t *testing.T) {
	for _, c := range []struct{ in, scale, offset, want float64 }{
		{2.027, 1000, 0, 2027}, {21.4, 0, -0.4, 21}, {230.1, 0.001, 0, 0.2301}, {0.1, 3, 0, 0.3},
	} {
		if got := calibrate(&Filters{Scale: c.scale, Offset: c.offset}, c.in); got != c.want {
			t.Errorf("%v × %v + %v: got %v, want %v", c.in, c.scale, c.offset, got, c.want)
		}
	}
}
