package journal

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"sensorgate/internal/disk/crashdisk"
	"sensorgate/internal/timing"
)

var everyBit = flag.Bool("crash.every", false, "damage every bit and cut at every byte, not a sample")

// smallLog makes a closed store of n records in one queue on crashdisk.Disk.
func smallLog(t testing.TB, n int, segment int64, commitEach int) (*crashdisk.Disk, Options) {
	t.Helper()
	fs := crashdisk.New(rand.New(rand.NewPCG(1, 1)))
	o := Options{Dir: "d", FS: fs, SegmentSize: segment, Size: 1 << 30, FreeFloor: -1}
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	q := openQueue(t, j, "q", Limits{})
	for i := range n {
		j.Append(Record{Data: damageData(i), To: []*Queue{q}})
		if i%commitEach == 0 {
			if err := j.commit(); err != nil {
				t.Fatal(err)
			}
		}
	}
	j.Put("key", []byte("value"), Event, nil, 0)
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	return fs, o
}

func damageData(i int) []byte {
	return append(fmt.Appendf(nil, "%d ", i), bytes.Repeat([]byte{byte(i)}, i*31%200)...)
}

// survivors opens the store and returns what waits, checked to be unchanged.
func survivors(t testing.TB, o Options) (found []bool, n int, s Stats) {
	t.Helper()
	j, err := Open(o)
	if err != nil {
		t.Fatalf("a damaged store does not open: %v", err)
	}
	defer j.closeFiles()
	q := openQueue(t, j, "q", Limits{})
	last := -1
	for _, it := range readAll(t, q) {
		var i int
		fmt.Sscan(string(it.Data), &i)
		if i <= last || !bytes.Equal(it.Data, damageData(i)) {
			t.Fatalf("record %d after %d, %.20q: changed or out of order", i, last, it.Data)
		}
		for len(found) <= i {
			found = append(found, false)
		}
		found[i], last = true, i
		n++
	}
	return found, n, j.Stats()
}

// Every bit of a small closed log of two segments, one at a time: the store opens,
// at most one record is lost, and when one is, it is counted.
func TestEveryBitFlip(t *testing.T) {
	const n = 60
	fs, o := smallLog(t, n, 12<<10, 7)
	step := 97
	switch {
	case *everyBit:
		step = 1
	case testing.Short() || timing.Race:
		step = 401
	}
	rnd := rand.New(rand.NewPCG(2, 2))
	for _, name := range fs.Files(".seg") {
		for bit := 0; bit < len(fs.Data(name))*8; bit += step {
			image := fs.Clone(rnd)
			image.Flip(name, bit)
			o.FS = image
			_, got, s := survivors(t, o)
			if got < n-1 || got < n && s.Damaged != 1 || s.Damaged > 1 {
				t.Fatalf("%s bit %d: %d of %d records left, %d reported damaged", name, bit, got, n, s.Damaged)
			}
		}
	}
}

// Every length to which a file can be cut: the store opens, and what stands before
// the cut is there.
func TestEveryTruncation(t *testing.T) {
	const n = 60
	fs, o := smallLog(t, n, 12<<10, 7)
	step := 23
	switch {
	case *everyBit:
		step = 1
	case testing.Short() || timing.Race:
		step = 101
	}
	rnd := rand.New(rand.NewPCG(3, 3))
	for _, name := range fs.Files(".seg") {
		for size := 0; size < len(fs.Data(name)); size += step {
			image := fs.Clone(rnd)
			image.Replace(name, slices.Clone(image.Data(name)[:size]))
			o.FS = image
			survivors(t, o)
		}
	}
}

// One flipped bit in a log of 20,000 records costs at most one of them.
func TestOneFlipInTwentyThousandRecords(t *testing.T) {
	n, trials := 20000, 40
	if testing.Short() || timing.Race {
		n, trials = 2000, 5
	}
	fs, o := smallLog(t, n, 1<<20, 100)
	rnd := rand.New(rand.NewPCG(5, 5))
	names := fs.Files(".seg")
	for range trials {
		name := names[rnd.IntN(len(names))]
		bit := rnd.IntN(len(fs.Data(name)) * 8)
		image := fs.Clone(rnd)
		image.Flip(name, bit)
		o.FS = image
		found, got, s := survivors(t, o)
		if got < n-1 || s.Damaged > 1 || got < n && s.Damaged != 1 {
			t.Errorf("%s bit %d: %d of %d records left, %d reported damaged, first missing %d",
				name, bit, got, n, s.Damaged, slices.Index(found, false))
		}
	}
}

// A record that is damaged while the store is open is dropped at the read, counted
// and part of the gap before the next.
func TestDamageFoundAtRead(t *testing.T) {
	fs, o := smallLog(t, 50, 1<<20, 10)
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	q := openQueue(t, j, "q", Limits{})
	l, _ := j.index.get(11)
	fs.Flip("d/"+slotName(l.slot()), int(l.offset()+frameHeader+20)*8)
	items := readAll(t, q)
	if len(items) != 49 || items[10].Gap != 1 || items[9].Gap != 0 {
		t.Errorf("%d records, gap before the eleventh %d: want 49 and 1", len(items), items[10].Gap)
	}
	if s := q.Stats(); s.Damaged != 1 || s.Waiting != 49 {
		t.Errorf("%+v", s)
	}
}

// FuzzRecovery writes anything into a store: it opens or says why not, nothing
// panics, and a store that opened takes and keeps records.
func FuzzRecovery(f *testing.F) {
	fs, o := smallLog(f, 30, 8<<10, 7)
	f.Add(uint8(0), uint16(0), []byte{0})
	f.Add(uint8(0), uint16(8), []byte{2, 0, 0, 0})                                               // another format
	f.Add(uint8(0), uint16(24), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})          // segment number
	f.Add(uint8(1), uint16(headerBlock), []byte{0xff, 0xff, 0xff, 0, 1, 2, 3, 4})                // length of a frame
	f.Add(uint8(1), uint16(headerBlock+frameHeader), []byte{4, 0xff, 0xff, 0xff, 0xff, 0x0f, 0}) // a queue's state
	f.Add(uint8(2), uint16(headerBlock+frameHeader), bytes.Repeat([]byte{0xff}, 200))            // everything
	f.Fuzz(func(t *testing.T, segment uint8, off uint16, b []byte) {
		rnd := rand.New(rand.NewPCG(1, 1))
		image := fs.Clone(rnd)
		names := image.Files(".seg")
		name := names[int(segment)%len(names)]
		data := slices.Clone(image.Data(name))
		copy(data[int(off)%len(data):], b)
		if segment&0x80 != 0 {
			resealAll(data) // past the checksums
		}
		image.Replace(name, data)
		o := o
		o.FS = image
		j, err := Open(o)
		if err != nil {
			return
		}
		for _, name := range j.Queues("") {
			q, err := j.OpenQueue(name, Limits{})
			if err == nil {
				q.Read(0, 1000, nil)
			}
		}
		q := openQueue(t, j, "new", Limits{})
		j.Append(Record{Data: []byte("new"), To: []*Queue{q}})
		if err := j.commit(); err != nil {
			t.Fatalf("the recovered store takes nothing: %v", err)
		}
		j.closeFiles()
		if j, err = Open(o); err != nil {
			t.Fatalf("the store does not open again: %v", err)
		}
		if items := readAll(t, openQueue(t, j, "new", Limits{})); len(items) == 0 || string(items[len(items)-1].Data) != "new" {
			t.Fatal("what was committed after the recovery is lost")
		}
		j.closeFiles()
	})
}

// resealAll makes the checksums of a segment right again, so that the fuzzer gets
// to what is behind them.
func resealAll(b []byte) {
	h, ok := parseHeader(b)
	if !ok {
		return
	}
	for off := headerBlock; off+frameHeader <= len(b); {
		f := peekFrame(b[off:], h.salt)
		if f.size == 0 || off+f.size > len(b) {
			return
		}
		body := int(b[off]) | int(b[off+1])<<8 | int(b[off+2])<<16 | int(b[off+3])<<24
		sealFrame(b[off:], body, f, h.salt)
		off += f.size
	}
}

// A disk that spoils what it holds while the gateway runs: who misses messages finds in the log which queue has lost them.
func TestDamageThatIsFoundWhileItRunsIsLogged(t *testing.T) {
	var log bytes.Buffer
	fs := crashdisk.New(rand.New(rand.NewPCG(1, 1)))
	o := Options{Dir: "d", FS: fs, SegmentSize: 64 << 10, Size: 1 << 20, FreeFloor: -1, Log: slog.New(slog.NewTextHandler(&log, nil))}
	j := reopen(t, o)
	q := openQueue(t, j, "session/c", Limits{})
	for range 3 {
		j.Append(Record{Data: make([]byte, 100), To: []*Queue{q}})
	}
	j.Put("retained/t", []byte("a value that waits for the disk"), Event, nil, 0)
	commit(t, j)
	l, _ := j.index.get(2)
	fs.Flip("d/"+slotName(l.slot()), int(l.offset()+frameHeader+20)*8)
	at := j.entries["retained/t"].loc
	fs.Flip("d/"+slotName(at.slot()), int(at.offset()+frameHeader+20)*8)
	if items := readAll(t, q); len(items) != 2 || items[1].Gap != 1 {
		t.Errorf("%v comes, want the first and the third with a gap", items)
	}
	if _, ok := j.Get("retained/t"); ok {
		t.Error("the damaged value is there")
	}
	for _, want := range []string{`msg="journal found damage" queue=session/c lost=1 from=2`, `msg="journal found damage" entry=retained/t`} {
		if n := strings.Count(log.String(), want); n != 1 {
			t.Errorf("%d times %q in the log, want once:\n%s", n, want, &log)
		}
	}
}
