package journal

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"sensorgate/internal/disk/crashdisk"
	"sensorgate/internal/timing"
)

// killedAtOnce is smallLog for a process that was killed right after its last commit, before the mark; newest is where in the
// newest segment what that commit wrote begins.
func killedAtOnce(t *testing.T, n int) (fs *crashdisk.Disk, o Options, name string, newest, end int64) {
	t.Helper()
	fs = crashdisk.New(rand.New(rand.NewPCG(1, 1)))
	o = Options{Dir: "d", FS: fs, SegmentSize: 32 << 10, Size: 1 << 30, FreeFloor: -1}
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	q := openQueue(t, j, "q", Limits{})
	for i := range n {
		if i == n-4 {
			if err := j.commit(); err != nil {
				t.Fatal(err)
			}
			newest = j.wr.off
		}
		j.Append(Record{Data: damageData(i), To: []*Queue{q}})
	}
	if err := j.commit(); err != nil {
		t.Fatal(err)
	}
	name, end = fs.Files(".seg")[j.wr.slot.no-1], j.wr.off
	j.closeFiles()
	fs.Locked = false
	return fs, o, name, newest, end
}

// One bit in the commit that was the last before a kill: at most the record that it hits is gone, it is counted, and
// those behind it are there. The last bytes of all may as well not have been written.
func TestOneBitInTheNewestCommitIsNoTornEnd(t *testing.T) {
	const n = 40
	fs, o, name, newest, end := killedAtOnce(t, n)
	step := int64(5)
	switch {
	case *everyBit:
		step = 1
	case testing.Short() || timing.Race:
		step = 41
	}
	rnd := rand.New(rand.NewPCG(2, 2))
	for bit := newest * 8; bit < end*8; bit += step {
		image := fs.Clone(rnd)
		image.Flip(name, int(bit))
		o.FS = image
		_, got, s := survivors(t, o)
		if bit/8 >= end-16 && got == n-1 && s.Damaged == 0 {
			continue
		}
		if got < n-1 || got < n && s.Damaged != 1 || s.Damaged > 1 {
			t.Fatalf("%s bit %d (commit from %d to %d): %d of %d records left, %d reported damaged", name, bit, newest, end, got, n, s.Damaged)
		}
		image.Locked = false
		if _, again, _ := survivors(t, o); again != got {
			t.Fatalf("%s bit %d: %d records at the first start, %d at the second", name, bit, got, again)
		}
	}
}

// A sector of the newest commit that was not written is a torn end: nobody was promised what it held, and nothing is
// reported.
func TestUnwrittenSectorIsATornEnd(t *testing.T) {
	const n = 40
	fs, o, name, newest, end := killedAtOnce(t, n)
	rnd := rand.New(rand.NewPCG(3, 3))
	for sector := newest / 512; sector*512 < end; sector++ {
		image := fs.Clone(rnd)
		b := append([]byte(nil), image.Data(name)...)
		clear(b[max(newest, sector*512):min(end, sector*512+512)])
		image.Replace(name, b)
		o.FS = image
		if _, got, s := survivors(t, o); got < n-4 || s.Damaged != 0 {
			t.Fatalf("sector %d: %d of %d records left, %d reported damaged", sector, got, n, s.Damaged)
		}
	}
}

// Each bit of a frame is found, two wrong ones are not, and neither is what an earlier use of the segment left.
func TestFlippedFrame(t *testing.T) {
	const salt, lsn, epoch = 0x1234567, 77, 3
	body := append([]byte{byte(kindRecord)}, damageData(13)...)
	b := make([]byte, frameSize(len(body)))
	copy(b[frameHeader:], body)
	sealFrame(b, len(body), frameInfo{lsn: lsn, durable: 70, epoch: epoch}, salt)
	if flippedFrame(b, salt, lsn, epoch).size != 0 {
		t.Error("an intact frame is taken for a damaged one")
	}
	for bit := range (frameHeader + len(body)) * 8 {
		b[bit/8] ^= 1 << (bit % 8)
		if got := flippedFrame(b, salt, lsn, epoch); got != (flip{bit / 8, len(b)}) {
			t.Errorf("bit %d: %v, want size %d", bit, got, len(b))
		}
		if flippedFrame(b, salt, lsn+1, epoch).size+flippedFrame(b, salt, lsn, epoch+1).size != 0 {
			t.Errorf("bit %d: a frame of another place in the log counts", bit)
		}
		other := (bit + 99) % ((frameHeader + len(body)) * 8)
		b[other/8] ^= 1 << (other % 8)
		if flippedFrame(b, salt, lsn, epoch).size != 0 {
			t.Errorf("bits %d and %d: taken for one", bit, other)
		}
		b[other/8] ^= 1 << (other % 8)
		b[bit/8] ^= 1 << (bit % 8)
	}
	binary.LittleEndian.PutUint32(b, 1<<31)
	if flippedFrame(b[:30], salt, lsn, epoch).size != 0 {
		t.Error("a length that cannot be")
	}
}
