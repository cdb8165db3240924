package journal

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"sensorgate/internal/disk/crashdisk"
)

// tornCommit is a store that has been full, so that the epoch has grown within the segment that is written. The power was
// cut in the commit that followed: a sector of its first record did not reach the disk, all that is behind it did.
func tornCommit(t *testing.T) (fs *crashdisk.Disk, o Options) {
	t.Helper()
	fs = crashdisk.New(rand.New(rand.NewPCG(1, 31)))
	o = Options{Dir: "d", FS: fs, SegmentSize: 64 << 10, Size: 4 * 64 << 10, FreeFloor: -1}
	j := reopen(t, o)
	hog, q := openQueue(t, j, "hog", Limits{Full: Refuse}), openQueue(t, j, "q", Limits{})
	j.Put("retained/a", []byte("old"), Event, nil, 0)
	for j.full == nil {
		j.Append(Record{Data: make([]byte, 9000), To: []*Queue{hog}})
		commit(t, j)
	}
	from, in := j.wr.off, j.wr.slot
	j.Append(Record{Data: bytes.Repeat([]byte("x"), 1200), To: []*Queue{q}})
	for i := range 8 {
		j.Append(Record{Data: fmt.Appendf(nil, "torn %d", i), To: []*Queue{q}})
	}
	j.Put("retained/a", []byte("torn"), Event, nil, 0)
	commit(t, j)
	if j.pend.first < j.pend.end || j.wr.slot != in {
		t.Fatal("the full journal has not written what still has room in its segment")
	}
	name := "d/" + slotName(in.no)
	data := bytes.Clone(fs.Data(name))
	lost := (from + sectorSize - 1) &^ (sectorSize - 1) // all of it belongs to the first record
	clear(data[lost : lost+sectorSize])
	fs.Replace(name, data)
	return fs, o
}

// What a commit that the power cut tore has left on the disk was promised to nobody and is gone with the first start. It came
// back at the second, among and instead of what had been acknowledged between them: messages twice, and older values.
func TestTornCommitStaysAwayAtLaterStarts(t *testing.T) {
	for more := range 10 { // records of the run between
		fs, o := tornCommit(t)
		for start := range 3 {
			j := reopen(t, o)
			q := openQueue(t, j, "q", Limits{})
			if start == 0 {
				for i := range more {
					j.Append(Record{Data: fmt.Appendf(nil, "kept %d", i), To: []*Queue{q}})
				}
				if more > 0 {
					j.Put("retained/a", []byte("kept"), Event, nil, 0)
				}
				commit(t, j)
			}
			items := readAll(t, q)
			for i, it := range items {
				if want := fmt.Sprint("kept ", i); string(it.Data) != want {
					t.Errorf("%d records, start %d: %q waits, want %q", more, start+1, it.Data, want)
				}
			}
			want := "old"
			if more > 0 {
				want = "kept"
			}
			if v, _ := j.Get("retained/a"); len(items) != more || string(v) != want {
				t.Errorf("%d records, start %d: %d wait; the value is %q, want %q", more, start+1, len(items), v, want)
			}
			if d := j.Stats().Damaged; d > 0 {
				t.Errorf("%d records, start %d: %d reported damaged", more, start+1, d)
			}
			fs.Cut()
		}
	}
}
