package journal

// pend is one append, entry or removal on its way to the disk.
type pend struct {
	kind  frameKind // kindRecord, kindPut or kindDelete
	class CommitClass
	done  bool // nothing left to write: all consumers acknowledged it, or a newer value replaced it
	idsN  uint32
	ids   uint32 // first of idsN queue ids in the chunk
	seq   Seq
	at    int64 // wall clock, ns
	key   string
	data  []byte
	token uint64
	w     Waiter
	err   error

	slot int // where the running commit put it; 0: nowhere
	off  int64

	counted uint64 // a queue counts it as dropped, in the states of this number (Journal.statesWritten); 0: none
	hollow  bool   // nobody waits for the record any more; only its Waiter, for those states
}

// overhead of a pend in memory, for the bound on what may wait.
const pendCost = 160

// pending is the ring of what was appended and is not yet on disk, in the order of
// the appends. Positions only grow. Chunks are recycled: an append allocates
// nothing once the ring has its size.
type pending struct {
	first uint64 // oldest position that is kept, the first that is not committed
	end   uint64 // next position
	bytes int64  // of the data that is not done, with overhead

	chunks []*pendChunk // chunks[0] holds position first
	free   []*pendChunk
}

const (
	chunkLen   = 256
	freeChunks = 64
)

type pendChunk struct {
	p   [chunkLen]pend
	ids []uint32
}

func (r *pending) at(pos uint64) *pend {
	return &r.chunks[pos/chunkLen-r.first/chunkLen].p[pos%chunkLen]
}

func (r *pending) consumers(pos uint64) []uint32 {
	c := r.chunks[pos/chunkLen-r.first/chunkLen]
	p := &c.p[pos%chunkLen]
	return c.ids[p.ids : p.ids+p.idsN]
}

// push makes a zero pend at the end and returns it with its position.
func (r *pending) push() (*pend, uint64, *pendChunk) {
	if r.end/chunkLen-r.first/chunkLen == uint64(len(r.chunks)) {
		var c *pendChunk
		if n := len(r.free); n > 0 {
			c, r.free = r.free[n-1], r.free[:n-1]
		} else {
			c = new(pendChunk)
		}
		r.chunks = append(r.chunks, c)
	}
	pos := r.end
	r.end++
	c := r.chunks[len(r.chunks)-1]
	return &c.p[pos%chunkLen], pos, c
}

// finish marks p as needing no write.
func (r *pending) finish(p *pend) {
	if !p.done {
		p.done = true
		r.bytes -= int64(len(p.data)) + pendCost
		p.data = nil
	}
}

// empty marks a record as needing no write of its own.
func (r *pending) empty(p *pend) {
	if !p.done && !p.hollow {
		r.bytes -= int64(len(p.data))
		p.data, p.hollow = nil, true
	}
}

// release forgets everything before pos.
func (r *pending) release(pos uint64) {
	for ; r.first < pos; r.first++ {
		p := r.at(r.first)
		r.finish(p)
		*p = pend{}
		if (r.first+1)%chunkLen == 0 {
			c := r.chunks[0]
			c.ids = c.ids[:0]
			r.chunks[0] = nil
			r.chunks = r.chunks[1:]
			if len(r.free) < freeChunks {
				r.free = append(r.free, c)
			}
		}
	}
}

// notices are the calls to Waiters that are due. They are made outside of all
// locks, by one goroutine at a time, so that their order is that of the appends
// and no lock of a Waiter can meet one of ours.
type notices struct {
	due, spare []notice
	next       [2]uint64 // by class: the first position whose Waiter was not called
	calling    bool
}

type notice struct {
	w     Waiter
	token uint64
	err   error
}

// noticeLocked collects the Waiters of the class that can be called: those at the
// front whose appends are done.
func (j *Journal) noticeLocked(class CommitClass) {
	pos := max(j.notices.next[class], j.pend.first)
	for ; pos < j.pend.end; pos++ {
		p := j.pend.at(pos)
		if p.class != class {
			continue
		}
		if !p.done {
			break
		}
		if p.w != nil {
			j.notices.due = append(j.notices.due, notice{p.w, p.token, p.err})
			p.w = nil
		}
	}
	j.notices.next[class] = pos
}

// notify makes the calls that are due. Whoever finds another goroutine at it leaves
// the rest to that one.
func (j *Journal) notify() {
	j.mu.Lock()
	if j.notices.calling {
		j.mu.Unlock()
		return
	}
	j.notices.calling = true
	for len(j.notices.due) > 0 {
		calls := j.notices.due
		j.notices.due = j.notices.spare[:0]
		j.mu.Unlock()
		for i := range calls {
			calls[i].w.Committed(calls[i].token, calls[i].err)
			calls[i] = notice{}
		}
		j.mu.Lock()
		j.notices.spare = calls
	}
	j.notices.calling = false
	j.mu.Unlock()
}
