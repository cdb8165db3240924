package journal

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/disk/crashdisk"
	"sensorgate/internal/timing"
)

// The crash model: histories of several runs of one store on crashdisk.Disk. Each run
// appends, acknowledges, puts and commits at random until the power is cut at a
// random operation, also in the middle of recovery, the process is killed, or it
// stops cleanly. What the journal gives back is compared with what it promised.

var (
	crashSeeds = flag.Int("crash.seeds", 0, "histories of TestCrashModel; 0: a few thousand")
	crashSeed  = flag.Uint64("crash.seed", 0, "run only this history")
)

// Seeds that once failed, and what they found.
var crashRegressions = []uint64{
	308,    // a full store refused an entry that needs no Seq
	749,    // a value replaced in the same commit was reported as committed before the newer one was on disk
	81870,  // a compacted record no longer named a consumer whose acknowledgement was then lost
	39312,  // a clean stop with a full disk did not say what it could not write
	16632,  // a file that was cut short by the power cut grew on a full disk
	14086,  // the header reached the page cache only: a bad sync, a restart, then the power cut
	114,    // two segments in a row whose states never reached the disk: a bad sync, then the power cut
	107,    // a segment whose states at the start were torn became the only one to know a queue
	140980, // an id that a start on a full disk could not reserve was given to two queues, the first of which had ended
	10133,  // a second copy went beyond the end of its segment, and the seal had no room
}

func TestCrashModel(t *testing.T) {
	if *crashSeed != 0 {
		runHistory(t, *crashSeed)
		return
	}
	n := *crashSeeds
	switch {
	case n > 0:
	case testing.Short():
		n = 200
	case timing.Race:
		n = 500
	default:
		n = 1000
	}
	for _, seed := range crashRegressions {
		runHistory(t, seed)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(1000)) // thousands of small stores, all garbage
	var next atomic.Uint64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for !t.Failed() {
				seed := next.Add(1)
				if seed > uint64(n) {
					return
				}
				runHistory(t, seed)
			}
		})
	}
	wg.Wait()
}

// runHistory runs in a bubble: times are virtual, so a seed always does the same.
func runHistory(t *testing.T, seed uint64) {
	synctest.Test(t, func(t *testing.T) {
		h := newHistory(seed)
		defer func() {
			if r := recover(); r != nil {
				buf := make([]byte, 8<<10)
				t.Errorf("seed %d: panic: %v\n%s", seed, r, buf[:runtime.Stack(buf, false)])
			}
		}()
		if err := h.run(); err != nil {
			t.Errorf("seed %d: %v\nrepeat with: go test ./internal/journal -run TestCrashModel -crash.seed=%d", seed, err, seed)
		}
	})
}

type history struct {
	rnd     *rand.Rand
	fs      *crashdisk.Disk
	opt     Options
	j       *Journal
	q       []*Queue
	model   []*simQueue
	entries map[string]*simEntry
	recs    []*simRecord
	heard   []uint64 // tokens, in the order of the calls
	maxSeq  Seq
	kills   bool  // the process is also killed between any two operations, not only between commits
	err     error // the first broken promise
}

// simRecord is one append.
type simRecord struct {
	id        int
	class     CommitClass
	heard     bool
	confirmed bool // its Waiter heard nil, or a recovery found it
	refused   bool

	entry *simEntry // it is a Put, the putth change of this entry
	put   int
}

type simQueue struct {
	name    string
	lim     Limits
	recs    []*simWaiting // that may still come out, in order
	gone    uint64        // dropped, as far as the model saw
	counted uint64        // of them, those that the last recovery counted
}

type simWaiting struct {
	*simRecord
	seq         Seq
	gone        bool // acknowledged or dropped
	dropped     bool
	goneDurable bool // and a commit followed
}

type simEntry struct {
	may     []string // what a recovery may find: the last that is sure, and all newer ones
	changes int
}

func (e *simEntry) change(value string) {
	e.may = append(e.may, value)
	e.changes++
}

// sure: the nth change is on disk, or a newer one.
func (e *simEntry) sure(n int) {
	for len(e.may) > 1 && e.changes-len(e.may)+1 < n {
		e.may = e.may[1:]
	}
}

const absent = "\x00absent"

func newHistory(seed uint64) *history {
	rnd := rand.New(rand.NewPCG(seed, 4))
	h := &history{rnd: rnd, fs: crashdisk.New(rnd), entries: map[string]*simEntry{}}
	h.fs.Unordered = seed%2 == 1
	h.kills = seed%9 >= 3 && seed%9 <= 5
	h.opt = Options{Dir: "d", FS: h.fs, SegmentSize: 12 << 10, Size: 1 << 20, FreeFloor: -1}
	if seed%5 == 0 {
		h.opt.Size = 6 * h.opt.SegmentSize // eviction, compaction, refusal
	}
	if seed%7 == 0 {
		h.fs.Quota = 5 * h.opt.SegmentSize
	}
	for i, full := range []Policy{DropOldest, DropNewest, Refuse} {
		m := &simQueue{name: fmt.Sprint("q", i), lim: Limits{Full: full}}
		if rnd.IntN(4) == 0 {
			m.lim.Bytes = int64(rnd.IntN(5000))
		}
		h.model = append(h.model, m)
	}
	if seed%11 == 2 { // positions that take more than a quarter of a segment, and few segments or one and a half of them
		h.opt.Size = int64(4+rnd.IntN(10)) * h.opt.SegmentSize
		for _, m := range h.model {
			m.name += strings.Repeat("i", int(h.opt.Size)/(9+rnd.IntN(5))/len(h.model))
		}
	}
	if seed%8 == 1 { // a store that is full most of the time, and a queue that needs little
		h.opt.Size = 6 * h.opt.SegmentSize
		h.model = append(h.model, &simQueue{name: "brief", lim: Limits{Full: DropOldest, Brief: simBrief}})
	}
	return h
}

// simBrief is what the queue brief needs of simData.
func simBrief(data []byte) []byte { return data[:bytes.IndexByte(data, ':')+1] }

// isData reports whether a queue may be given data for the record.
func (m *simQueue) isData(id int, data []byte) bool {
	return bytes.Equal(data, simData(id)) || m.lim.Brief != nil && bytes.Equal(data, simBrief(simData(id)))
}

func (h *history) fail(format string, args ...any) {
	if h.err == nil {
		h.err = fmt.Errorf(format, args...)
	}
}

func (h *history) run() error {
	for range 2 + h.rnd.IntN(5) {
		if h.fs.EIO = 0; h.rnd.IntN(6) == 0 {
			h.fs.EIO = 0.003
		}
		if !h.open() {
			return h.err
		}
		if h.rnd.IntN(4) > 0 {
			h.fs.Ops = h.rnd.IntN(300)
		}
		for n := h.rnd.IntN(80); n > 0 && !h.fs.Off && h.err == nil && h.j.failed == nil; n-- {
			h.step()
			h.follow()
		}
		if h.end(); h.err != nil {
			return h.err
		}
	}
	return h.err
}

// open recovers the store, with power cuts in the middle of it, and compares.
func (h *history) open() bool {
	for {
		if h.rnd.IntN(3) == 0 {
			h.fs.Ops = h.rnd.IntN(40)
		}
		seen := h.fs.EIOSeen
		j, err := Open(h.opt)
		if err == nil && !h.fs.Off {
			h.j, h.fs.Ops = j, -1
			h.compare()
			return h.err == nil
		}
		switch {
		case h.fs.Off && h.kills && h.rnd.IntN(2) == 0:
			h.kill()
		case h.fs.Off:
			h.fs.Cut()
		case h.fs.EIOSeen > seen:
			h.fs.EIO = 0
		default:
			h.fail("the store does not open: %w", err)
			return false
		}
	}
}

// end of a run: cleanly, by kill, or by power cut.
func (h *history) end() {
	kind := h.rnd.IntN(3)
	if kind == 0 && !h.fs.Off && h.j.failed == nil {
		if err := h.j.close(); err == nil && h.j.full == nil {
			h.settled()
		}
	}
	h.follow()
	if kind == 1 && (!h.fs.Off || h.kills) {
		h.kill()
		return
	}
	h.fs.Cut()
}

// kill ends the process: the page cache survives.
func (h *history) kill() { h.fs.Off, h.fs.Locked, h.fs.Ops = false, false, -1 }

func (h *history) step() {
	switch h.rnd.IntN(16) {
	case 0, 1, 2, 3, 4:
		h.append()
	case 5, 6:
		h.put()
	case 7, 8, 9:
		h.ack()
	case 10:
		h.read()
	case 11:
		time.Sleep(time.Duration(h.rnd.IntN(20)) * time.Second)
	case 12:
		if h.rnd.IntN(4) == 0 {
			h.dropQueue()
		}
	default:
		h.commit()
	}
}

func simData(id int) []byte {
	return append(fmt.Appendf(nil, "%d:", id), bytes.Repeat([]byte{byte(id)}, id*37%900)...)
}

// Committed is the Waiter of all appends.
func (h *history) Committed(token uint64, err error) {
	r := h.recs[token]
	if r.heard {
		h.fail("record %d heard twice", token)
	}
	r.heard, r.confirmed, r.refused = true, err == nil, errors.Is(err, ErrFull)
	if r.entry != nil && err == nil {
		r.entry.sure(r.put)
	}
	for i := len(h.heard) - 1; i >= 0; i-- {
		if o := h.recs[h.heard[i]]; o.class == r.class {
			if h.heard[i] > token {
				h.fail("record %d heard after %d of its class", token, h.heard[i])
			}
			break
		}
	}
	h.heard = append(h.heard, token)
}

func (h *history) append() {
	for range 1 + h.rnd.IntN(8) {
		if h.j.pend.bytes > maxPending/2 {
			h.commit()
		}
		r := &simRecord{id: len(h.recs), class: CommitClass(h.rnd.IntN(2))}
		h.recs = append(h.recs, r)
		var to []*Queue
		var models []*simQueue
		for i := range h.q {
			if h.rnd.IntN(2) == 0 {
				to, models = append(to, h.q[i]), append(models, h.model[i])
			}
		}
		if to == nil {
			to, models = h.q[:1], h.model[:1]
		}
		rec := []Record{{Data: simData(r.id), To: to, Class: r.class, Waiter: h, Token: uint64(r.id)}}
		if h.j.Append(rec...) > 0 {
			continue
		}
		if rec[0].Seq <= h.maxSeq {
			h.fail("Seq %d was handed out before (up to %d)", rec[0].Seq, h.maxSeq)
		}
		h.maxSeq = max(h.maxSeq, rec[0].Seq)
		for _, m := range models {
			m.recs = append(m.recs, &simWaiting{simRecord: r, seq: rec[0].Seq})
		}
	}
}

func (h *history) put() {
	key := fmt.Sprint("k", h.rnd.IntN(12))
	e := h.entries[key]
	if e == nil {
		e = &simEntry{may: []string{absent}}
		h.entries[key] = e
	}
	if h.rnd.IntN(3) == 0 {
		e.change(absent)
		h.j.Delete(key, Event)
		return
	}
	v := string(simData(1000 + h.rnd.IntN(1000)))
	e.change(v)
	r := &simRecord{id: len(h.recs), class: CommitClass(h.rnd.IntN(2)), entry: e, put: e.changes}
	h.recs = append(h.recs, r)
	h.j.Put(key, []byte(v), r.class, h, uint64(r.id))
}

func (h *history) ack() {
	i := h.rnd.IntN(len(h.q))
	m := h.model[i]
	for range 1 + h.rnd.IntN(10) {
		if len(m.recs) == 0 {
			return
		}
		at := 0
		if h.rnd.IntN(3) == 0 {
			at = h.rnd.IntN(len(m.recs))
		}
		for at < len(m.recs)-1 && m.recs[at].gone {
			at++
		}
		if r := m.recs[at]; h.q[i].wait.has(r.seq) {
			h.q[i].Ack(r.seq)
			r.gone = true
		}
	}
}

func (h *history) read() {
	i := h.rnd.IntN(len(h.q))
	items, err := h.q[i].Read(0, 20, nil)
	if err != nil {
		if !h.fs.Off {
			h.fail("read: %w", err)
		}
		return
	}
	for _, it := range items {
		k := slices.IndexFunc(h.model[i].recs, func(r *simWaiting) bool { return r.seq == it.Seq && !r.gone })
		if k < 0 {
			h.fail("%s: read Seq %d, which does not wait", h.q[i].name, it.Seq)
		} else if m := h.model[i]; !m.isData(m.recs[k].id, it.Data) {
			h.fail("%s: Seq %d has other data", h.q[i].name, it.Seq)
		}
	}
}

func (h *history) dropQueue() {
	i := h.rnd.IntN(len(h.q))
	h.j.DropQueue(h.model[i].name)
	for _, r := range h.model[i].recs {
		r.gone, r.dropped = true, false
	}
	q, err := h.j.OpenQueue(h.model[i].name, h.model[i].lim)
	if err != nil {
		h.fail("open queue: %w", err)
	}
	h.q[i] = q
	h.model[i].gone, h.model[i].counted = 0, 0
}

func (h *history) commit() {
	if err := h.j.commit(); err == nil && h.j.full == nil {
		h.settled()
	}
}

// settled: a commit succeeded, so everything before it is sure, unless the disk
// was full in the middle of it.
func (h *history) settled() {
	if h.j.pend.first < h.j.pend.end || slices.ContainsFunc(h.j.durable, func(q *Queue) bool { return q.dirty }) {
		return
	}
	for _, m := range h.model {
		m.recs = slices.DeleteFunc(m.recs, func(r *simWaiting) bool {
			r.goneDurable = r.gone
			return false
		})
	}
	for _, e := range h.entries {
		e.may = e.may[len(e.may)-1:]
	}
}

// follow notes what the bounds dropped, and checks that it was counted.
func (h *history) follow() {
	for pos := h.j.pend.first; pos < h.j.pend.end; pos++ {
		if p := h.j.pend.at(pos); p.w != nil && p.err != nil {
			h.recs[p.token].refused = true // its turn to hear of it comes
		}
	}
	for i, m := range h.model {
		q := h.q[i]
		for _, r := range m.recs {
			if !r.gone && !q.wait.has(r.seq) {
				r.gone = true
				if !r.refused {
					r.dropped = true
					m.gone++
				}
			}
		}
		if q.stats.DroppedFull != m.gone {
			h.fail("%s: %d records dropped, %d counted", m.name, m.gone, q.stats.DroppedFull)
			return
		}
	}
}

// compare checks every promise on what a recovery found, which is the truth then.
func (h *history) compare() {
	h.q = h.q[:0]
	eio := h.fs.EIOSeen > 0
	if d := h.j.stats.Damaged; d > 0 && !eio {
		h.fail("%d frames reported damaged, and none was", d)
	}
	for _, m := range h.model {
		q, err := h.j.OpenQueue(m.name, Limits{Full: m.lim.Full, Brief: m.lim.Brief})
		if err != nil {
			h.fail("open queue: %w", err)
			return
		}
		h.q = append(h.q, q)
		h.compareQueue(q, m, eio)
		q.lim = m.lim
		m.gone = q.stats.DroppedFull
	}
	for key, e := range h.entries {
		v, ok := h.j.Get(key)
		got := string(v)
		if !ok {
			got = absent
		}
		if !slices.Contains(e.may, got) {
			h.fail("entry %s is %.20q, may be %d others, the newest %.20q", key, got, len(e.may), e.may[len(e.may)-1])
		}
		if !eio {
			e.may = []string{got}
		} else {
			e.change(got)
		}
	}
	if h.j.last < h.maxSeq {
		h.fail("Seq went back from %d to %d", h.maxSeq, h.j.last)
	}
}

func (h *history) compareQueue(q *Queue, m *simQueue, eio bool) {
	found := map[Seq]bool{}
	for after := Seq(0); ; {
		items, err := q.Read(after, 100, nil)
		if err != nil {
			if !eio {
				h.fail("read: %w", err)
			}
			return
		}
		if len(items) == 0 {
			break
		}
		for _, it := range items {
			after = it.Seq
			found[it.Seq] = true
			k := slices.IndexFunc(m.recs, func(r *simWaiting) bool { return r.seq == it.Seq })
			switch {
			case k < 0:
				h.fail("%s: Seq %d (%.10q) came back from the dead", m.name, it.Seq, it.Data)
			case m.recs[k].goneDurable:
				h.fail("%s: record %d was acknowledged and that was committed, and it comes again", m.name, m.recs[k].id)
			case !m.isData(m.recs[k].id, it.Data):
				h.fail("%s: record %d has other data", m.name, m.recs[k].id)
			}
		}
	}
	hole := -1
	for _, r := range m.recs {
		if r.dropped && r.confirmed && !found[r.seq] {
			m.counted++
		}
		switch {
		case !found[r.seq] && r.confirmed && !r.gone:
			h.fail("%s: record %d was promised and is lost", m.name, r.id)
		case !found[r.seq] && !r.gone && !r.refused:
			hole = r.id
		case found[r.seq] && hole >= 0 && !r.confirmed:
			h.fail("%s: record %d is there, the earlier %d is not", m.name, r.id, hole)
		}
		if found[r.seq] && !eio {
			r.confirmed = true
		}
		if found[r.seq] {
			// A refused one may be there too: the disk got it before the power went.
			r.gone, r.refused, r.dropped = false, false, false
		}
	}
	if q.stats.DroppedFull < m.counted && !eio {
		h.fail("%s: %d records that were promised are dropped, %d counted", m.name, m.counted, q.stats.DroppedFull)
	}
	m.counted = q.stats.DroppedFull
	m.recs = slices.DeleteFunc(m.recs, func(r *simWaiting) bool { return !found[r.seq] })
}
