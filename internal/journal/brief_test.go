package journal

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"sensorgate/internal/disk/crashdisk"
)

func briefStore() (fs *crashdisk.Disk, o Options) {
	fs = crashdisk.New(rand.New(rand.NewPCG(1, 1)))
	return fs, Options{Dir: "d", FS: fs, SegmentSize: 16 << 10, Size: 8 * 16 << 10, FreeFloor: -1}
}

var briefLimits = Limits{Reserve: 32 << 10, Brief: func(data []byte) []byte { return data[:min(len(data), 8)] }}

// fillBrief appends n records of 3,000 bytes to both queues and has the other one acknowledge
// each, as a subscriber does, while who remembers ids keeps them all.
func fillBrief(t *testing.T, j *Journal, ids, other *Queue, n int) {
	t.Helper()
	for i := range n {
		r := []Record{{Data: bytes.Repeat([]byte{byte(i)}, 3000), To: []*Queue{ids, other}, Class: Event}}
		if j.Append(r...) > 0 {
			t.Fatalf("record %d is refused: %v", i, j.Stats().Failed)
		}
		commit(t, j)
		other.Ack(r[0].Seq)
		commit(t, j)
	}
}

func checkBrief(t *testing.T, q *Queue, n int) {
	t.Helper()
	items, err := q.Read(0, 10*n, nil)
	if err != nil || len(items) != n || q.Stats().DroppedFull > 0 {
		t.Fatalf("%d of %d packet ids are left, %d dropped, %v", len(items), n, q.Stats().DroppedFull, err)
	}
	for i, it := range items {
		if len(it.Data) < 8 || it.Data[0] != byte(i) {
			t.Errorf("record %d: %d bytes, of record %d", i, len(it.Data), it.Data[0])
		}
	}
}

// A publisher that has not released its messages of QoS 2 is not forgotten because the journal is
// full of them: what remembers packet ids needs no payload.
func TestPacketIDsOutliveTheirMessagesInAFullJournal(t *testing.T) {
	fs, o := briefStore()
	j := reopen(t, o)
	const n = 200 // 600 KB in a journal of 128
	ids, other := openQueue(t, j, "qos2/c", briefLimits), openQueue(t, j, "session/s", Limits{})
	fillBrief(t, j, ids, other, n)
	checkBrief(t, ids, n)
	if s := ids.Stats(); s.WaitingBytes > n*briefSize {
		t.Errorf("%d bytes count for %d packet ids", s.WaitingBytes, n)
	}
	fs.Cut()
	j = reopen(t, o)
	ids, other = openQueue(t, j, "qos2/c", briefLimits), openQueue(t, j, "session/s", Limits{})
	checkBrief(t, ids, n)
	if s := other.Stats(); s.Waiting > 0 || j.Stats().Damaged > 0 {
		t.Errorf("%d messages wait again, %d damaged", s.Waiting, j.Stats().Damaged)
	}
	fillBrief(t, j, ids, other, 50)
	items, err := ids.Read(0, 10*n, nil)
	if err != nil || len(items) != n+50 {
		t.Errorf("%d of %d packet ids after another 50, %v", len(items), n+50, err)
	}
}

// Nobody is ever given what is left of a record but who needs no more: also not when the frame
// with its acknowledgement is damaged and it waits again.
func TestRestOfARecordIsGivenToNobodyElse(t *testing.T) {
	fs, o := briefStore()
	j := reopen(t, o)
	ids, other := openQueue(t, j, "qos2/c", briefLimits), openQueue(t, j, "session/s", Limits{})
	fillBrief(t, j, ids, other, 60)
	fs.Locked, fs.Ops = false, -1
	brief := 0
	for _, name := range fs.Files(".seg") {
		for at := 0; at < len(fs.Data(name)); at += sectorSize {
			image := fs.Clone(rand.New(rand.NewPCG(2, 2)))
			o.FS = image
			data := bytes.Clone(fs.Data(name))
			clear(data[at:min(at+sectorSize, len(data))])
			image.Replace(name, data)
			j, err := Open(o)
			if err != nil {
				t.Fatal(err)
			}
			for _, q := range []*Queue{openQueue(t, j, "qos2/c", briefLimits), openQueue(t, j, "session/s", Limits{})} {
				items, _ := q.Read(0, 1000, nil)
				for _, it := range items {
					switch {
					case len(it.Data) == 3000:
					case q.Name() == "qos2/c":
						brief++
					default:
						t.Errorf("%s, sector at %d is lost: %s is given %d bytes of record %d", name, at, q.Name(), len(it.Data), it.Seq)
					}
				}
			}
		}
	}
	if brief == 0 {
		t.Error("no record was cut down")
	}
}
