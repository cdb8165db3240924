package history

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"sensorgate/internal/disk"
	"sensorgate/internal/disk/crashdisk"
	"sensorgate/internal/timing"
)

// fill adds a reading of each channel at an interval, as a gateway with its loop would.
func fill(s *Store, channels int, every, span time.Duration, begin time.Time) (end time.Time) {
	rnd := rand.New(rand.NewPCG(9, 9))
	names := make([]string, channels)
	for i := range names {
		names[i] = fmt.Sprintf("device%02d/channel%d", i/5, i%5)
	}
	next := begin.Add(s.o.Flush)
	for now := begin; now.Before(begin.Add(span)); now = now.Add(every) {
		if !now.Before(next) {
			s.flush()
			s.roll(now)
			next = next.Add(s.o.Flush)
		}
		for i, n := range names {
			at := now.Add(time.Duration(rnd.IntN(9)) * time.Millisecond)
			v := 200 + float64(i) + 30*math.Sin(float64(now.Unix())/3000) + rnd.Float64()*2
			s.Add(n, Number, at, Value{Number: math.Round(v*10) / 10})
		}
	}
	return begin.Add(span)
}

var epoch = time.Unix(1_800_000_000, 0)

// A hundred channels at ten seconds for a day: bytes a point on the disk and in memory.
func TestBytesPerPoint(t *testing.T) {
	if testing.Short() {
		t.Skip("a million values take too long here")
	}
	fs := &countingFS{FS: crashdisk.New(rand.New(rand.NewPCG(1, 1)))}
	s := openStore(t, Options{Dir: "h", FS: fs})
	fill(s, 100, 10*time.Second, 24*time.Hour, epoch)
	s.flush()
	s.disk.mu.RLock()
	defer s.disk.mu.RUnlock()
	var size [tiers]int64
	for t := range tiers {
		for _, f := range s.disk.frames(t) {
			size[t] += padded(int64(f.size))
		}
	}
	points := float64(100 * 8640)
	perPoint := float64(size[raw]) / points
	t.Logf("raw %.2f bytes a point, minutes %.2f bytes a slot; %d syncs, %.1f MB written with pages of 4 KiB, %.1f MB of zeroes for new segments",
		perPoint, float64(size[minutes])/(100*1440), fs.syncs, float64(fs.pages)*4096/1e6, float64(fs.zeroed)/1e6)
	if perPoint > 3 {
		t.Errorf("%.2f bytes a raw point on the disk, at most 3 are promised", perPoint)
	}
	if mb := float64(fs.pages) * 4096 / 1e6; mb > 10 {
		t.Errorf("%.1f MB a day are written, at most 10 are promised", mb)
	}
}

// countingFS counts pages that are written, and bytes of zeroes.
type countingFS struct {
	disk.FS
	pages, syncs int
	zeroed       int64
}

func (f *countingFS) OpenFile(name string, flag int) (disk.File, error) {
	file, err := f.FS.OpenFile(name, flag)
	return countingFile{file, f}, err
}

type countingFile struct {
	disk.File
	fs *countingFS
}

func (f countingFile) WriteAt(b []byte, off int64) (int, error) {
	if strings.Trim(string(b), "\x00") == "" {
		f.fs.zeroed += int64(len(b))
	} else {
		f.fs.pages += int((off+int64(len(b))+4095)/4096 - off/4096)
	}
	return f.File.WriteAt(b, off)
}

func (f countingFile) Sync() error {
	f.fs.syncs++
	return f.File.Sync()
}

// The open block keeps a point in at most 16 bytes of the heap.
func TestBytesPerPointInMemory(t *testing.T) {
	s := openStore(t, Options{Memory: 64 << 20})
	const channels, points = 200, 3000
	before := heap()
	for i := range points {
		for c := range channels {
			s.Add(fmt.Sprintf("d/%d", c), Number, epoch.Add(time.Duration(i)*time.Second), Value{Number: float64(i)})
		}
	}
	got := float64(heap()-before) / (channels * points)
	t.Logf("%.1f bytes a point", got)
	if got > 16 {
		t.Errorf("%.1f bytes a point in memory, at most 16 are promised", got)
	}
	if held := s.Stats().MemoryBytes; math.Abs(float64(held)/float64(heap()-before)-1) > 0.25 {
		t.Errorf("the store counts %d bytes, the heap grew by %d", held, heap()-before)
	}
	runtime.KeepAlive(s)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// More channels than the store was made for: the bounds hold, the oldest single values
// give way first, and Stats reports how far back each tier reaches.
func TestSizeIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("three million values take too long here")
	}
	fs := crashdisk.New(rand.New(rand.NewPCG(1, 1)))
	s := openStore(t, Options{Dir: "h", FS: fs, Size: 8 << 20})
	end := fill(s, 300, 10*time.Second, 30*time.Hour, epoch)
	s.flush()
	st := s.Stats()
	if st.DiskBytes > 8<<20 || st.MemoryBytes > 8<<20 {
		t.Errorf("%d bytes on the disk, %d in memory", st.DiskBytes, st.MemoryBytes)
	}
	rawFrom, minutesFrom := st.Oldest[raw].From, st.Oldest[minutes].From
	if !rawFrom.After(epoch.Add(time.Hour)) || minutesFrom.After(rawFrom) {
		t.Errorf("raw reaches to %s, minutes to %s", rawFrom, minutesFrom)
	}
	// What raw does not reach comes from the minutes, with every value in it.
	a := query(t, s, Query{Series: "device00/channel0", From: epoch, To: end, Every: time.Hour})
	n := uint64(0)
	for _, p := range a.Points {
		n += p.N
	}
	if want := uint64(30 * 360); n != want {
		t.Errorf("the hours stand for %d values, want %d", n, want)
	}
}

// Everything at once: a thousand series that are fed without an end before anything is
// written stay within the bound of memory, and what gave way is counted.
func TestMemoryIsBounded(t *testing.T) {
	fs := crashdisk.New(rand.New(rand.NewPCG(1, 1)))
	s := openStore(t, Options{Dir: "h", FS: fs, Memory: 1 << 20})
	for i := range 600 {
		for c := range 500 {
			s.Add(fmt.Sprintf("d/%d", c), Number, epoch.Add(time.Duration(i)*time.Second), Value{Number: float64(i)})
		}
	}
	st := s.Stats()
	if st.MemoryBytes > 1<<20 || st.Lost == 0 {
		t.Errorf("%d bytes in memory, %d values lost", st.MemoryBytes, st.Lost)
	}
	a := query(t, s, Query{Series: "d/7", From: epoch, To: epoch.Add(time.Hour)})
	if len(a.Points) == 0 || a.Points[len(a.Points)-1].Last != 599 {
		t.Errorf("the newest value is not there: %d points", len(a.Points))
	}
}

// A full disk stops the history and nothing else; with room again it goes on, and what
// memory could hold is there.
func TestFullDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("a million values take too long here")
	}
	fs := crashdisk.New(rand.New(rand.NewPCG(1, 1)))
	fs.Quota = 3 << 20
	s := openStore(t, Options{Dir: "h", FS: fs})
	end := fill(s, 100, 10*time.Second, 20*time.Hour, epoch)
	s.flush()
	st := s.Stats()
	if st.Problem != nil && !strings.Contains(st.Problem.Error(), "free on the file system") {
		t.Errorf("the problem is %v", st.Problem)
	}
	if st.DiskBytes > 3<<20 {
		t.Errorf("%d bytes on a disk of 3 MiB", st.DiskBytes)
	}
	fs.Quota = 0
	s.flush()
	if st := s.Stats(); st.Problem != nil {
		t.Errorf("with room again: %v", st.Problem)
	}
	a := query(t, s, Query{Series: "device00/channel0", From: end.Add(-30 * time.Minute), To: end})
	if len(a.Points) != 180 {
		t.Errorf("the newest half hour has %d points, want 180", len(a.Points))
	}
}

// A disk that takes nothing at all: values stay in memory, and Stats says why.
func TestDiskTakesNothing(t *testing.T) {
	fs := &fullFS{FS: crashdisk.New(rand.New(rand.NewPCG(1, 1))), full: true}
	s := openStore(t, Options{Dir: "h", FS: fs})
	s.Add("a/b", Number, epoch, Value{Number: 1})
	s.flush()
	if st := s.Stats(); st.Problem == nil || !strings.Contains(st.Problem.Error(), "MiB are left alone") {
		t.Errorf("the problem is %v", st.Problem)
	}
	fs.full = false
	s.flush()
	if a := query(t, s, Query{Series: "a/b", From: epoch, To: epoch.Add(time.Second)}); len(a.Points) != 1 || s.Stats().Problem != nil {
		t.Errorf("with room again: %d points, %v", len(a.Points), s.Stats().Problem)
	}
}

type fullFS struct {
	disk.FS
	full bool
}

func (f *fullFS) Space(dir string) (int64, int64, error) {
	if f.full {
		return 10 << 20, 1 << 30, nil
	}
	return f.FS.Space(dir)
}

// Any range out of ten million points within 20 ms: of every length, at its end and in the
// middle, and with widths for which minutes are of no use.
func TestTenMillionPoints(t *testing.T) {
	timing.Judged(t)
	s := openStore(t, Options{Dir: t.TempDir()})
	end := fill(s, 58, time.Second, 48*time.Hour, epoch)
	s.flush()
	const day = 24 * time.Hour
	for _, q := range []struct{ span, before, every time.Duration }{
		{span: time.Minute}, {span: 30 * time.Minute}, {span: 3 * time.Hour}, {span: day}, {span: 33 * time.Hour}, {span: 48 * time.Hour}, {span: 400 * day},
		{span: time.Minute, before: 30 * time.Hour}, {span: 5 * time.Hour, before: 17 * time.Hour}, {span: 16 * time.Hour, before: 32 * time.Hour},
		{span: 16 * time.Hour, every: 29 * time.Second}, {span: day, every: 44 * time.Second}, {span: 48 * time.Hour, every: 87 * time.Second},
		{span: 400 * day, every: 400*time.Hour + time.Second}, {span: 48 * time.Hour, every: 15 * time.Minute}, {span: 14 * day, every: 11 * time.Minute},
	} {
		best := time.Hour
		var a Answer
		to := end.Add(-q.before)
		for range 5 {
			start := time.Now()
			a = query(t, s, Query{Series: "device05/channel3", From: to.Add(-q.span), To: to, Every: q.every})
			best = min(best, time.Since(start))
		}
		what := fmt.Sprintf("%s, %s before the end, by %s", q.span, q.before, q.every)
		t.Logf("%s: %d points of %s in %s", what, len(a.Points), a.Every, best.Round(10*time.Microsecond))
		if len(a.Points) > MaxPoints || len(a.Points) == 0 {
			t.Errorf("%s: %d points", what, len(a.Points))
		}
		if best > 20*time.Millisecond {
			t.Errorf("%s took %s, 20 ms are promised", what, best)
		}
	}
	s.close()
}
