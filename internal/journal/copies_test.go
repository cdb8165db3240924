package journal

import (
	"fmt"
	"math/rand/v2"
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
