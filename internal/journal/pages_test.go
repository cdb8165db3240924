package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"

	"sensorgate/internal/disk"
	"sensorgate/internal/disk/crashdisk"
)

// wornDisk does not give back one page of a file, until it is written anew. A page of -1 is all of it.
type wornDisk struct {
	*crashdisk.Disk
	name string
	page int64
}

func (d *wornDisk) OpenFile(name string, flag int) (disk.File, error) {
	f, err := d.Disk.OpenFile(name, flag)
	if filepath.Base(name) != filepath.Base(d.name) || err != nil {
		return f, err
	}
	return wornFile{f, d}, nil
}

type wornFile struct {
	disk.File
	d *wornDisk
}

func (f wornFile) ReadAt(b []byte, off int64) (int, error) {
	at := f.d.page * 4096
	if f.d.page < 0 || off < at+4096 && at < off+int64(len(b)) {
		return 0, fmt.Errorf("read: %w", syscall.EIO)
	}
	return f.File.ReadAt(b, off)
}

// A page that the medium does not give back kept the gateway from starting forever. It costs what stood in it, as a page
// of zeroes does, and it is reported.
func TestEveryUnreadablePage(t *testing.T) {
	const n = 200
	fs, o := killedLog(t, n, 1<<20)
	rnd := rand.New(rand.NewPCG(2, 2))
	for _, name := range fs.Files(".seg") {
		for page := range int64(min(64<<10, len(fs.Data(name))) / 4096) {
			image := &wornDisk{fs.Clone(rnd), name, page}
			if left, _ := judge(t, image, o, n, fmt.Sprintf("%s page %d", name, page), false); left < n-4096/24 {
				t.Fatalf("%s page %d: %d of %d records left", name, page, left, n)
			}
		}
	}
}

// What stands beside the page is read as before.
func TestEntriesBesideAnUnreadablePage(t *testing.T) {
	fs := crashdisk.New(rand.New(rand.NewPCG(1, 1)))
	o := Options{Dir: "d", FS: fs, SegmentSize: 1 << 20, Size: 1 << 30, FreeFloor: -1}
	j := reopen(t, o)
	key := func(i int) string { return fmt.Sprintf("retained/%d", i) }
	for i := range 300 {
		j.Put(key(i), []byte(key(i)), Event, nil, 0)
	}
	commit(t, j)
	if err := j.writeMark(); err != nil { // else a page that is gone is a torn end
		t.Fatal(err)
	}
	name := fs.Files(".seg")[0]
	for page := range int64(5) {
		o.FS = &wornDisk{fs.Clone(rand.New(rand.NewPCG(2, 2))), name, page}
		worn := reopen(t, o)
		for i := range 300 {
			at := j.entries[key(i)].loc.offset()
			if (at+frameHeader+30)/4096 == page || at/4096 == page {
				continue
			}
			if v, ok := worn.Get(key(i)); !ok || string(v) != key(i) {
				t.Errorf("page %d: the value of %s beside it, at %d, is %q, there: %v", page, key(i), at, v, ok)
			}
		}
	}
}

// Nothing is given up for a device that gives back nothing: it may only have come loose.
func TestDeviceThatCannotBeReadIsNotDamage(t *testing.T) {
	fs, o := killedLog(t, 20, 1<<20)
	for _, name := range fs.Files(".seg") {
		o.FS = &wornDisk{fs.Clone(rand.New(rand.NewPCG(2, 2))), name, -1}
		if j, err := Open(o); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: opened with %v, %+v reported; want what the disk says", name, err, j.Stats())
		}
	}
}
