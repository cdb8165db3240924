package journal

import (
	"math/rand/v2"
	"testing"

	"sensorgate/internal/disk/crashdisk"
)

// A value that was written again and again in one segment was copied into the next one as often
// as that, when a record began it.
func TestNextSegmentGetsOneCopyOfAValue(t *testing.T) {
	j := reopen(t, Options{Dir: "d", FS: crashdisk.New(rand.New(rand.NewPCG(1, 1))), SegmentSize: 64 << 10, Size: 32 * 64 << 10, FreeFloor: -1, Twice: []string{"k/"}})
	q := openQueue(t, j, "q", Limits{})
	const puts, size = 200, 100
	for range puts {
		j.Put("k/a", make([]byte, size), Event, nil, 0)
		commit(t, j)
	}
	before, segments := j.Stats().BytesWritten-j.Stats().BytesPrepared, j.wr.slot.segno
	records := 0
	for j.wr.slot.segno == segments {
		j.Append(Record{Data: make([]byte, 1000), To: []*Queue{q}})
		records++
		commit(t, j)
	}
	written := int(j.Stats().BytesWritten-j.Stats().BytesPrepared-before) - records*1100
	if most := 3 * headerBlock; written > most {
		t.Errorf("%d bytes more than the %d records were written, want at most %d", written, records, most)
	}
}
