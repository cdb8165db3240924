package journal

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// OpenQueue returns the queue called name, which may have waiting records of an
// earlier run, with new limits. It is made if it does not exist.
func (j *Journal) OpenQueue(name string, lim Limits) (*Queue, error) {
	if len(name) > maxName {
		return nil, fmt.Errorf("queue name of %d bytes: at most %d", len(name), maxName)
	}
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil, ErrClosed
	}
	memory := lim.Memory || j.wr == nil
	q := j.queues[name]
	if q == nil {
		q = &Queue{j: j, name: name, memory: memory, wake: make(chan struct{}, 1)}
		j.queues[name] = q
		if !memory {
			j.defineLocked(q)
		}
	}
	if q.memory != memory {
		j.mu.Unlock()
		if err := j.convert(q, memory); err != nil {
			return nil, fmt.Errorf("queue %s: %w", name, err)
		}
		j.mu.Lock()
	}
	if (lim.Brief != nil) != (q.lim.Brief != nil) {
		q.reweighLocked(lim)
	}
	q.lim, q.opened = lim, true
	for !q.roomLocked(0) { // the new bound may be smaller
		first, ok := q.wait.first()
		if !ok {
			break
		}
		q.dropLocked(first, &q.stats.DroppedFull)
	}
	j.unlockAndNotify()
	return q, nil
}

// defineLocked returns q an id that records can name.
func (j *Journal) defineLocked(q *Queue) {
	j.nextID++
	q.id = j.nextID
	j.byID[q.id] = q
	j.durable = append(j.durable, q)
	q.fresh = true
	j.markDirtyLocked(q)
	j.wantLocked(Telemetry, time.Now())
}

// DropQueue removes a queue and all that waits in it.
func (j *Journal) DropQueue(name string) error {
	j.mu.Lock()
	q := j.queues[name]
	if q == nil {
		j.mu.Unlock()
		return nil
	}
	delete(j.queues, name)
	j.retireLocked(q)
	q.gone = true
	j.unlockAndNotify()
	return nil
}

// retireLocked takes everything off q and its definition off the log.
func (j *Journal) retireLocked(q *Queue) {
	for s, ok := q.wait.first(); ok; s, ok = q.wait.first() {
		q.takeLocked(s)
	}
	if q.id != 0 {
		delete(j.byID, q.id)
		j.durable = slices.DeleteFunc(j.durable, func(o *Queue) bool { return o == q })
		j.dropped = append(j.dropped, q.id)
		j.wantLocked(Telemetry, time.Now())
	}
	q.id, q.dirty, q.grown, q.past, q.gaps = 0, false, false, nil, nil
}

// convert moves what waits in q from the disk to memory or the other way. On the way
// to the disk the records get new Seqs, in the same order.
func (j *Journal) convert(q *Queue, memory bool) error {
	var items []Item
	for after := Seq(0); ; {
		n := len(items)
		var err error
		if items, err = j.read(q, after, 1024, items, false); err != nil {
			return err
		}
		if len(items) == n {
			break
		}
		after = items[len(items)-1].Seq
	}
	j.mu.Lock()
	j.retireLocked(q)
	q.memory, q.lim = memory, Limits{}
	if !memory {
		j.defineLocked(q)
	}
	now := time.Now()
	for _, it := range items {
		if memory {
			q.wait.add(it.Seq)
			q.bytes += int64(len(it.Data))
			j.rememberLocked(it.Seq, it.Time.UnixNano(), it.Data, 1)
			continue
		}
		r := Record{Data: it.Data, To: []*Queue{q}}
		if err := j.appendLocked(&r, now, it.Time.UnixNano()); err != nil {
			j.unlockAndNotify()
			return err
		}
	}
	j.unlockAndNotify()
	return nil
}

func (j *Journal) rememberLocked(s Seq, at int64, data []byte, refs int) {
	if r := j.mem[s]; r != nil {
		r.refs += refs
		return
	}
	j.mem[s] = &memRecord{at: at, data: data, refs: refs}
	j.memBytes += int64(len(data))
}

// Queues lists the names of all queues with the prefix, sorted.
func (j *Journal) Queues(prefix string) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return keysWithPrefix(j.queues, prefix)
}

// Append takes records in order. If any has a full Refuse queue among its
// consumers it fails with ErrFull, enters none, and the ones after it are still
// taken; failed counts them and their Waiters hear ErrFull.
//
// Append does not wait for the disk. When the store is behind by more than a few
// segments it blocks until there is room or the journal fails. While the disk is
// full it does not block: Refuse queues refuse, the others drop, counted.
func (j *Journal) Append(recs ...Record) (failed int) {
	now, at := j.lockAndStamp()
	var err error // of the record before
	for i := range recs {
		if !recs[i].With || err == nil {
			j.waitRoomLocked(1)
			err = j.appendLocked(&recs[i], now, at)
		}
		if err != nil {
			recs[i].Seq = 0
			failed++
			j.refuseLocked(&recs[i], err)
		}
	}
	j.unlockAndNotify()
	return failed
}

// lockAndStamp locks j.mu and returns the time, by the monotonic and by the wall clock. The stamp
// of a clock that has just stepped is not on disk before the log says so.
func (j *Journal) lockAndStamp() (now time.Time, at int64) {
	now = time.Now()
	wall := now.Round(0)
	if j.opt.Wall != nil {
		wall = j.opt.Wall().Round(0)
	}
	j.mu.Lock()
	if j.wr != nil && j.clock.stepOf(wall, now).Abs() >= stepMin {
		j.mu.Unlock()
		j.watchClock(now)
		j.mu.Lock()
	}
	return now, wall.UnixNano()
}

// Behind reports whether so much waits for the disk that Append and Put would soon block.
// Who must not block asks first, and comes back later.
func (j *Journal) Behind() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.wr != nil && j.pend.bytes > maxPending/2 && !j.closed && j.failed == nil && j.full == nil
}

// waitRoomLocked blocks while too much waits for the disk, or while the log does
// not yet know of the next seqs Seqs.
func (j *Journal) waitRoomLocked(seqs Seq) {
	if j.wr == nil {
		return
	}
	behind := func() bool { return j.pend.bytes > maxPending || j.last+seqs > j.limit }
	for behind() && !j.closed && j.failed == nil && j.full == nil {
		j.wake()
		j.unlockAndNotify()
		j.mu.Lock()
		if behind() {
			j.room.Wait()
		}
	}
}

// stateLocked says why nothing can be appended.
func (j *Journal) stateLocked(seqs Seq) error {
	switch {
	case j.closed:
		return ErrClosed
	case j.failed != nil:
		return j.failed
	case j.full != nil && (j.pend.bytes > maxPending || j.last+seqs > j.limit):
		return ErrFull
	}
	return nil
}

func (j *Journal) appendLocked(r *Record, now time.Time, at int64) error {
	r.Seq = 0
	if err := j.stateLocked(1); err != nil {
		return err
	}
	if len(r.Data) > maxBody {
		return ErrTooLarge
	}
	for _, q := range r.To {
		if q.fullLocked(len(r.Data)) {
			return ErrFull
		}
	}
	j.last++
	r.Seq = j.last
	j.clock.sampleLocked(r.Seq, now)
	if j.last+j.opt.SeqStep/4 == j.limit {
		j.wantLocked(Telemetry, now) // writes the next reserve
	}
	p, pos, refs, memory, counted := j.enterLocked(r)
	if memory > 0 {
		j.rememberLocked(r.Seq, at, r.Data, memory)
	}
	switch {
	case p != nil:
	case r.Waiter == nil:
		return nil
	case counted: // that it was dropped must be on disk before anybody hears of it
		var c *pendChunk
		p, _, c = j.pend.push()
		p.ids = uint32(len(c.ids))
		p.kind, p.class, p.seq, p.w, p.token = kindRecord, r.Class, r.Seq, r.Waiter, r.Token
		p.hollow, p.counted = true, j.statesWritten+1
		j.pendedLocked(p, now)
		return nil
	default:
		j.pushDoneLocked(r, nil)
		return nil
	}
	p.kind, p.class, p.seq, p.at = kindRecord, r.Class, r.Seq, at
	p.data, p.w, p.token = r.Data, r.Waiter, r.Token
	if counted {
		p.counted = j.statesWritten + 1
	}
	j.index.set(r.Seq, atPending(pos), refs)
	j.pendedLocked(p, now)
	return nil
}

// enterLocked puts r into the queues that take it: those on disk share p, at pos of the ring, and count refs together;
// memory is how many others there are, and counted whether one on disk has dropped it.
func (j *Journal) enterLocked(r *Record) (p *pend, pos uint64, refs uint32, memory int, counted bool) {
	var c *pendChunk
	for _, q := range r.To {
		if q.gone {
			continue
		}
		if !q.makeRoomLocked(r.Seq, len(r.Data)) {
			counted = counted || !q.memory
			continue
		}
		if !q.wait.add(r.Seq) {
			continue
		}
		q.bytes += int64(q.weight(len(r.Data)))
		q.last = r.Seq
		q.stats.Appended++
		if !q.memory {
			j.grownLocked(q)
		}
		q.wakeLocked()
		if q.memory {
			memory++
			continue
		}
		if p == nil {
			p, pos, c = j.pend.push()
			p.ids = uint32(len(c.ids))
		}
		c.ids = append(c.ids, q.id)
		p.idsN, refs = p.idsN+1, refs+q.ref()
	}
	return p, pos, refs, memory, counted
}

// pendedLocked accounts for a new pending append and asks for its commit.
func (j *Journal) pendedLocked(p *pend, now time.Time) {
	before := j.pend.bytes
	j.pend.bytes += int64(len(p.data)) + pendCost
	j.wantLocked(p.class, now)
	if before < flushPending && j.pend.bytes >= flushPending {
		j.wake()
	}
}

// pushDoneLocked queues the call of a Waiter that has nothing to wait for but its turn.
func (j *Journal) pushDoneLocked(r *Record, err error) {
	p, _, c := j.pend.push()
	p.ids = uint32(len(c.ids))
	p.class, p.w, p.token, p.err, p.done = r.Class, r.Waiter, r.Token, err, true
}

func (j *Journal) refuseLocked(r *Record, err error) {
	if r.Waiter != nil {
		j.pushDoneLocked(r, err)
	}
}

func keysWithPrefix[V any](m map[string]V, prefix string) []string {
	var names []string
	for name := range m {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
