package journal

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"sensorgate/internal/disk/crashdisk"
)

// reopen opens what a kill leaves of j's store: all that was written, nothing else.
func reopen(t testing.TB, o Options) *Journal {
	t.Helper()
	if d, ok := o.FS.(*crashdisk.Disk); ok {
		d.Locked = false
	}
	j, err := Open(o)
	if err != nil {
		t.Fatalf("the store does not open: %v", err)
	}
	return j
}

func commit(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.commit(); err != nil {
		t.Fatalf("commit: %v", err)
	}
}

// K1: the states of all queues had to fit into one slot; when they did not, the journal ended
// with "record is too large", at every start again. Now every kind of state grows past
// several slots, is there after a restart, a kill and a power cut, and the log goes on.
func TestStateOfAnySizeIsKept(t *testing.T) {
	const segment = 64 << 10
	rnd := rand.New(rand.NewPCG(1, 1))
	long := strings.Repeat("n", 1000)
	for name, grow := range map[string]func(t *testing.T, j *Journal){
		"queues": func(t *testing.T, j *Journal) { // sessions and spools
			for i := range 400 {
				openQueue(t, j, fmt.Sprint("session/", i, long), Limits{})
			}
		},
		"positions": func(t *testing.T, j *Journal) { // acknowledged here and there
			for i := range 8 {
				q := openQueue(t, j, fmt.Sprint("q", i), Limits{})
				for range 6000 {
					j.Append(Record{To: []*Queue{q}})
				}
				commit(t, j)
				for k, it := range readAll(t, q) {
					if k%2 == 1 {
						q.Ack(it.Seq)
					}
				}
			}
		},
		"gaps": func(t *testing.T, j *Journal) { // drops that nobody has read of
			for i := range 60 {
				q := openQueue(t, j, fmt.Sprint("q", i), Limits{})
				for range 600 {
					j.Append(Record{To: []*Queue{q}})
				}
				j.mu.Lock()
				for s, ok := q.wait.first(); ok; s, ok = q.wait.next(s + 2) {
					q.dropLocked(s, &q.stats.DroppedFull)
				}
				j.unlockAndNotify()
			}
		},
		"entries": func(t *testing.T, j *Journal) { // subscriptions, in-flight, retained, device state, ledgers
			for i := range 400 {
				j.Put(fmt.Sprint("session/meta/", i), []byte(long), Event, nil, 0)
			}
			j.Put("bridge/up/qos2", make([]byte, 3*segment), Event, nil, 0)
		},
		"removals": func(t *testing.T, j *Journal) {
			for i := range 400 {
				j.Put(fmt.Sprint("retained/", i, long), []byte("1"), Event, nil, 0)
			}
			commit(t, j)
			for i := range 400 {
				j.Delete(fmt.Sprint("retained/", i, long), Event)
				j.DropQueue(fmt.Sprint("session/", i, long))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			fs := crashdisk.New(rnd)
			o := Options{Dir: "d", FS: fs, SegmentSize: segment, Size: 64 << 20, FreeFloor: -1, Twice: []string{"session/", "bridge/"}}
			j := reopen(t, o)
			q := openQueue(t, j, "witness", Limits{})
			j.Append(Record{Data: []byte("before"), To: []*Queue{q}})
			grow(t, j)
			for i := range 300 { // several segments more, so that all has to be written again
				j.Append(Record{Data: make([]byte, 2000), To: []*Queue{q}})
				if i%20 == 0 {
					commit(t, j)
				}
			}
			commit(t, j)
			before := stateOf(j)
			for _, end := range []string{"kill", "power cut", "stop", "kill"} {
				switch end {
				case "power cut":
					fs.Cut()
				case "stop":
					if err := j.close(); err != nil {
						t.Fatal(err)
					}
				}
				j = reopen(t, o)
				if after := stateOf(j); after != before {
					t.Fatalf("after a %s:\n%.300s\nbefore:\n%.300s", end, after, before)
				}
				if s := j.Stats(); s.Damaged > 0 {
					t.Errorf("%d reported damaged after a %s", s.Damaged, end)
				}
				commit(t, j)
			}
			q = openQueue(t, j, "witness", Limits{})
			if items := readAll(t, q); len(items) != 301 || string(items[0].Data) != "before" {
				t.Errorf("%d records wait, want 301", len(items))
			}
		})
	}
}

// stateOf describes all that a journal must keep.
func stateOf(j *Journal) string {
	var b strings.Builder
	for _, name := range j.Queues("") {
		q := j.queues[name]
		fmt.Fprintf(&b, "%.20s %d: %d wait, %d dropped, %d gaps\n", name, len(name), q.wait.n, q.stats.DroppedFull, len(q.gaps))
	}
	for _, key := range j.Keys("") {
		if key == keyClock {
			continue // of the run
		}
		v, _ := j.Get(key)
		fmt.Fprintf(&b, "%.30s %d: %d bytes\n", key, len(key), len(v))
	}
	return b.String()
}

// oldStore writes a store as version 1 of the format had it: one segment that begins with the
// states of all queues, one record for each.
func oldStore(t *testing.T, fs *crashdisk.Disk, names []string) {
	t.Helper()
	const salt = 77
	b := header{format: 1, state: slotUsed, salt: salt, epoch: 1, segno: 1, firstLSN: 1}.block()
	lsn := uint64(1)
	frame := func(body []byte) {
		at := len(b)
		b = append(append(b, make([]byte, frameHeader)...), body...)
		for len(b)%frameAlign != 0 {
			b = append(b, 0)
		}
		sealFrame(b[at:], len(body), frameInfo{lsn: lsn, durable: lsn - 1, epoch: 1}, salt)
		lsn++
	}
	ids := make([]uint32, len(names))
	for i, name := range names {
		ids[i] = uint32(i + 1)
		state := binary.AppendUvarint([]byte{byte(kindQueue)}, uint64(ids[i]))
		state = append(binary.AppendUvarint(state, uint64(len(name))), name...)
		frame(append(state, make([]byte, 9)...)) // low, last, counters, no spans, no gaps
	}
	frame(appendReserveBody(nil, 1<<20, uint32(len(names))+1<<10))
	frame(appendRecordBody(nil, 1, 1, ids, []byte("acknowledged")))
	b = append(b, make([]byte, 64<<10)...)
	f, err := fs.OpenFile("d/"+slotName(1), os.O_RDWR|os.O_CREATE)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	fs.SyncDir("d")
}

// K1: a store that 5f3101f left with more state than it could write again, and refused to
// start on, opens, has everything, and goes on.
func TestBrickedStoreOpensAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("many large states: long on a slow processor")
	}
	fs := crashdisk.New(rand.New(rand.NewPCG(1, 1)))
	var names []string
	for i := range 180 {
		names = append(names, fmt.Sprint("session/", i, strings.Repeat("x", 100<<10)))
	}
	oldStore(t, fs, names)
	o := Options{Dir: "d", FS: fs, FreeFloor: -1}
	for range 3 {
		j := reopen(t, o)
		if n := len(j.Queues("session/")); n != len(names) {
			t.Fatalf("%d of %d sessions", n, len(names))
		}
		q := openQueue(t, j, names[7], Limits{})
		items := readAll(t, q)
		if len(items) == 0 || string(items[0].Data) != "acknowledged" {
			t.Fatal("what was acknowledged before is gone")
		}
		for range 12 { // three segments more
			j.Append(Record{Data: make([]byte, 1<<20), To: []*Queue{q}})
			commit(t, j)
		}
		if s := j.Stats(); s.Damaged > 0 || s.Failed != nil {
			t.Errorf("%+v", s)
		}
	}
}

// The same as it comes about: more queues than 32 MiB have room for.
func TestMoreQueuesThanOneSlotHolds(t *testing.T) {
	if testing.Short() {
		t.Skip("many large states: long on a slow processor")
	}
	fs := crashdisk.New(rand.New(rand.NewPCG(1, 1)))
	o := Options{Dir: "d", FS: fs, FreeFloor: -1}
	j := reopen(t, o)
	long := strings.Repeat("x", 120<<10)
	for i := range 200 {
		openQueue(t, j, fmt.Sprint("session/", i, long), Limits{})
		commit(t, j)
	}
	q := openQueue(t, j, "session/0"+long, Limits{})
	for range 40 {
		j.Append(Record{Data: make([]byte, 1<<20), To: []*Queue{q}})
		commit(t, j)
	}
	fs.Cut()
	j = reopen(t, o)
	if n := len(j.Queues("session/")); n != 200 {
		t.Errorf("%d of 200 sessions after a power cut", n)
	}
	if n := len(readAll(t, openQueue(t, j, "session/0"+long, Limits{}))); n != 40 {
		t.Errorf("%d of 40 records after a power cut", n)
	}
}
