package journal

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"sensorgate/internal/disk/crashdisk"
)

// removing is a disk on which somebody looks while a file goes.
type removing struct {
	*crashdisk.Disk
	look func()
}

func (d removing) Remove(name string) error {
	err := d.Disk.Remove(name)
	d.look()
	return err
}

func (d removing) SyncDir(dir string) error {
	d.look()
	return d.Disk.SyncDir(dir)
}

// A value stands twice. Whoever read it while the segment with its second copy was being removed,
// or after that had failed, ended the program.
func TestValueIsReadWhileItsSecondCopyGoes(t *testing.T) {
	fs := crashdisk.New(rand.New(rand.NewPCG(1, 1)))
	o := Options{Dir: "d", FS: fs, SegmentSize: 16 << 10, Size: 64 * 16 << 10, FreeFloor: -1, Twice: []string{"k/"}}
	j := reopen(t, o)
	const keys = 100
	looks, gone, there := 0, 0, 0
	j.wr.st.fs = removing{fs, func() {
		looks++
		for i := range there {
			if _, ok := j.Get(fmt.Sprint("k/", i)); !ok {
				gone++
			}
		}
	}}
	for range 4 {
		for i := range keys {
			j.Put(fmt.Sprint("k/", i), make([]byte, 900), Event, nil, 0)
			there = max(there, i+1)
			if i%10 == 0 {
				commit(t, j)
			}
		}
		commit(t, j)
	}
	if looks == 0 || gone > 0 {
		t.Errorf("looked %d times, %d values were not there", looks, gone)
	}
}

// A bit of a value that is to stand twice flips before it does: the second copy is made of what was put, and not of what
// the disk has by then. Else the value before counted, and a session lost its subscriptions.
func TestSecondCopyIsSoundThoughTheFirstIsNot(t *testing.T) {
	fs := crashdisk.New(rand.New(rand.NewPCG(1, 1)))
	o := Options{Dir: "d", FS: fs, SegmentSize: 64 << 10, Size: 1 << 30, FreeFloor: -1, Twice: []string{"session/"}}
	j := reopen(t, o)
	j.Put("session/a", []byte("no subscriptions"), Event, nil, 0)
	commit(t, j)
	j.Put("session/a", []byte("subscriptions"), Event, nil, 0)
	commit(t, j)
	loc := j.entries["session/a"].loc
	fs.Flip("d/"+slotName(loc.slot()), int(loc.offset()+frameHeader+2)*8)
	if err := j.writeMark(); err != nil {
		t.Fatal(err)
	}
	if v, ok := j.Get("session/a"); !ok || string(v) != "subscriptions" {
		t.Errorf("the value is %q, there: %v", v, ok)
	}
	fs.Cut()
	j = reopen(t, o)
	if v, ok := j.Get("session/a"); !ok || string(v) != "subscriptions" {
		t.Errorf("after a start the value is %q, there: %v", v, ok)
	}
	if j.Stats().Damaged == 0 {
		t.Error("the damage is not reported")
	}
}

// A second copy goes into the next segment if this one has no room for it; what begins there may leave it none either.
func TestSecondCopyStaysInItsSegment(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		fs := crashdisk.New(rnd)
		j := reopen(t, Options{Dir: "d", FS: fs, SegmentSize: 12 << 10, Size: 1 << 20, FreeFloor: -1})
		for i := range 3 {
			openQueue(t, j, fmt.Sprint("q", i, strings.Repeat("i", 2000+rnd.IntN(4000))), Limits{})
			if rnd.IntN(2) == 0 {
				commit(t, j)
			}
		}
		commit(t, j)
		commit(t, j)
		for _, name := range fs.Files(".seg") {
			if n := len(fs.Data(name)); n > 12<<10 {
				t.Errorf("seed %d: %s has %d bytes, a segment has %d", seed, name, n, 12<<10)
			}
		}
		j.closeFiles()
	}
}
