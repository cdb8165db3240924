package history

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/disk"
	"sensorgate/internal/disk/crashdisk"
)

func openStore(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run starts the store's Run; the function it returns stops it cleanly.
func run(t testing.TB, s *Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func query(t testing.TB, s *Store, q Query) Answer {
	t.Helper()
	a, err := s.Query(q)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A day of one channel at ten seconds: what was added is what is found, single values
// and slots alike, before and after a restart.
func TestDayOfOneChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := crashdisk.New(rand.New(rand.NewPCG(1, 1)))
		s := openStore(t, Options{Dir: "h", FS: fs})
		stop := run(t, s)
		begin := time.Now()
		const n = 24 * 360
		for i := range n {
			s.Add("attic/temperature", Number, time.Now(), Value{Number: value(i)})
			time.Sleep(10 * time.Second)
		}
		check := func(when string) {
			a := query(t, s, Query{Series: "attic/temperature", From: begin, To: begin.Add(time.Hour)})
			if a.Every != 0 || len(a.Points) != 360 {
				t.Fatalf("%s: an hour has %d points of %s, want 360 single values", when, len(a.Points), a.Every)
			}
			for i, p := range a.Points {
				if p.Last != value(i) || p.Time != begin.Add(time.Duration(i)*10*time.Second).UnixMilli() {
					t.Fatalf("%s: point %d is %v at %d", when, i, p.Last, p.Time)
				}
			}
			a = query(t, s, Query{Series: "attic/temperature", From: begin, To: begin.Add(24 * time.Hour), Every: time.Minute})
			checkSlots(t, when, a.Points, begin, time.Minute, n)
			a = query(t, s, Query{Series: "attic/temperature", From: begin, To: begin.Add(24 * time.Hour), Every: 15 * time.Minute})
			checkSlots(t, when, a.Points, begin, 15*time.Minute, n)
		}
		check("running")
		stop()
		s = openStore(t, Options{Dir: "h", FS: fs})
		check("after a restart")
		if st := s.Stats(); st.Oldest[raw].From.UnixMilli() != begin.UnixMilli() {
			t.Errorf("raw reaches to %s, want %s", st.Oldest[raw].From, begin)
		}
		s.close()
	})
}

func value(i int) float64 { return math.Round(200+50*math.Sin(float64(i)/500)) / 10 }

// checkSlots compares slots with those made of value(0…n-1).
func checkSlots(t *testing.T, when string, got []Point, begin time.Time, every time.Duration, n int) {
	t.Helper()
	want := newSlots(every.Milliseconds())
	for i := range n {
		v := value(i)
		want.add(Point{Time: begin.Add(time.Duration(i) * 10 * time.Second).UnixMilli(), Min: v, Mean: v, Max: v, Last: v, N: 1})
	}
	if len(got) != len(want.sorted()) {
		t.Fatalf("%s: %d slots of %s, want %d", when, len(got), every, len(want.all))
	}
	for i, p := range got {
		w := want.all[i]
		if p.Time != w.Time || p.Min != w.Min || p.Max != w.Max || p.Last != w.Last || p.N != w.N || math.Abs(p.Mean-w.Mean) > 0.002 {
			t.Fatalf("%s: slot %d of %s is %+v, want %+v", when, i, every, p, w)
		}
	}
}

// Chunks keep every bit of what they are given.
func TestChunksKeepEveryBit(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for name, gen := range map[string]func(i int) float64{
		"decimals": value,
		"integers": func(i int) float64 { return float64(i * 17) },
		"float32":  func(int) float64 { return float64(float32(rnd.Float64() * 230)) },
		"float64":  func(int) float64 { return rnd.NormFloat64() * 1e12 },
		"extremes": func(i int) float64 {
			return []float64{math.MaxFloat64, -math.SmallestNonzeroFloat64, 0, math.Copysign(0, -1)}[i%4]
		},
		"big totals": func(i int) float64 { return 9007199254740991 - float64(i) },
		"mixed":      func(i int) float64 { return []float64{1e15, 0.123456789}[i%2] },
	} {
		var times []int32
		var values []float64
		for i := range 500 {
			times, values = append(times, int32(i*10_000+rnd.IntN(9)-4)), append(values, gen(i))
		}
		i := 0
		b := encodePoints(1e12, times, values)
		err := decodePoints(b, 0, func(p Point) {
			if p.Time != 1e12+int64(times[i]) || math.Float64bits(p.Last) != math.Float64bits(values[i]) {
				t.Fatalf("%s: point %d is %v at %d, want %v at %d", name, i, p.Last, p.Time, values[i], times[i])
			}
			i++
		})
		if err != nil || i != len(values) {
			t.Errorf("%s: %d points, %v", name, i, err)
		}
		t.Logf("%s: %.2f bytes a point", name, float64(len(b))/float64(len(values)))
	}
}

// States keep every change, repetitions are not written, and a range begins with the
// state that held before it.
func TestStatesKeepEveryChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Options{})
		stop := run(t, s)
		begin := time.Now()
		for i := range 2000 {
			s.Add("pump/state", State, time.Now(), Value{State: fmt.Sprint(i/7%2 == 0)})
			time.Sleep(30 * time.Second)
		}
		a := query(t, s, Query{Series: "pump/state", From: begin.Add(time.Hour), To: begin.Add(2 * time.Hour)})
		want := []Change{{begin.Add(119 * 30 * time.Second).UnixMilli(), "false"}}
		for i := 120; i < 240; i++ {
			if i%7 == 0 {
				want = append(want, Change{begin.Add(time.Duration(i) * 30 * time.Second).UnixMilli(), fmt.Sprint(i/7%2 == 0)})
			}
		}
		if !slices.Equal(a.Changes, want) || a.Kind != State {
			t.Errorf("changes of the second hour:\n%v\nwant\n%v", a.Changes, want)
		}
		stop()
	})
}

// A total's slots have its last value.
func TestTotalsKeepTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Options{})
		stop := run(t, s)
		begin := time.Now()
		for i := range 6000 {
			s.Add("meter/energy", Total, time.Now(), Value{Number: 1000 + float64(i)/1000})
			time.Sleep(10 * time.Second)
		}
		a := query(t, s, Query{Series: "meter/energy", From: begin, To: begin.Add(16 * time.Hour), Every: time.Hour})
		if a.Kind != Total || len(a.Points) != 16 {
			t.Fatalf("%s, %d hours", a.Kind, len(a.Points))
		}
		for i, p := range a.Points {
			if want := 1000 + float64(360*(i+1)-1)/1000; p.Last != want {
				t.Errorf("hour %d ends with %v, want %v", i, p.Last, want)
			}
		}
		stop()
	})
}

// A board that starts in 1970: when its clock is set, what was measured moves to where
// it belongs, on the disk as in memory, and a restart finds it there. (In a bubble of
// synctest, times have no monotonic part; so the loop of Run is called by hand.)
func TestClockIsSetLater(t *testing.T) {
	fs := crashdisk.New(rand.New(rand.NewPCG(1, 1)))
	synced := false
	s := openStore(t, Options{Dir: "h", FS: fs, Synced: func() bool { return synced }})
	const late = 30 * 365 * 24 * time.Hour
	now := time.Now()
	s.clock.begin, s.clock.wall = now, now.Round(0).Add(-late)
	for i := range 180 {
		s.Add("a/b", Number, now.Add(time.Duration(i)*10*time.Second), Value{Number: float64(i)})
		if i%60 == 40 {
			s.flush()
			s.roll(time.Now())
		}
	}
	if st := s.Stats(); !st.ClockWaits {
		t.Error("Stats does not report that the clock is waited for")
	}
	if a := query(t, s, Query{Series: "a/b", From: now.Add(-late - time.Second), To: now.Add(-late + time.Hour)}); len(a.Points) != 180 {
		t.Errorf("before the clock is set: %d points", len(a.Points))
	}
	synced = true
	s.lookAtClock(now.Add(time.Hour))
	for _, when := range []string{"running", "after a restart"} {
		a := query(t, s, Query{Series: "a/b", From: now.Add(-time.Second), To: now.Add(time.Hour)})
		if len(a.Points) != 180 || a.Points[7].Last != 7 || a.Points[7].Time != now.Add(70*time.Second).UnixMilli() {
			t.Fatalf("%s: %d points after the clock was set", when, len(a.Points))
		}
		s.flush()
		s.close()
		s = openStore(t, Options{Dir: "h", FS: fs})
	}
	s.close()
}

// A frame that is on its way to the disk is in an answer once.
func TestNoValueTwiceWhileWritten(t *testing.T) {
	slow := &slowFS{FS: crashdisk.New(rand.New(rand.NewPCG(1, 1)))}
	s := openStore(t, Options{Dir: "h", FS: slow})
	now := time.Now()
	look := func(when string) {
		if a := query(t, s, Query{Series: "a/b", From: now, To: now.Add(time.Hour)}); len(a.Points) != 100 {
			t.Errorf("%s: %d points, want 100", when, len(a.Points))
		}
	}
	for i := range 100 {
		s.Add("a/b", Number, now.Add(time.Duration(i)*time.Second), Value{Number: 1})
	}
	look("in memory")
	syncs := 0
	slow.onSync = func() { syncs++; look("while it is written") }
	s.flush()
	slow.onSync = nil
	look("on the disk")
	if syncs == 0 {
		t.Error("nothing was synced")
	}
	s.close()
}

// slowFS calls onSync in every sync of a file.
type slowFS struct {
	disk.FS
	onSync func()
}

func (f *slowFS) OpenFile(name string, flag int) (disk.File, error) {
	file, err := f.FS.OpenFile(name, flag)
	return slowFile{file, f}, err
}

type slowFile struct {
	disk.File
	fs *slowFS
}

func (f slowFile) Sync() error {
	if f.fs.onSync != nil {
		f.fs.onSync()
	}
	return f.File.Sync()
}

// On a board with one core an answer of a year keeps nobody waiting until it is whole: whoever
// can run has a turn between its parts.
func TestLongAnswerGivesWay(t *testing.T) {
	s := openStore(t, Options{Dir: "h", FS: crashdisk.New(rand.New(rand.NewPCG(1, 1)))})
	end := fill(s, 2, 10*time.Second, 12*time.Hour, epoch)
	s.flush()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for name, work := range map[string]func(){
		"plot":   func() { query(t, s, Query{Series: "device00/channel1", From: epoch, To: end, Every: 10 * time.Minute}) },
		"export": func() { _ = s.Export(io.Discard, nil) },
	} {
		turns, done := 0, make(chan struct{})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				select {
				case <-done:
					return
				default:
					turns++
					runtime.Gosched()
				}
			}
		}()
		work()
		close(done)
		<-ended
		if turns < 5 {
			t.Errorf("%s: somebody else had %d turns", name, turns)
		}
	}
}
