package journal

import "slices"

// settle works out who still waits for what.
func (r *recovery) settle() {
	j := r.j
	for _, id := range r.alive() {
		st := r.states[id]
		q := r.queue(id)
		q.name, q.last, q.past, q.gaps, q.stats = st.name, st.last, st.past, st.gaps, st.stats
		q.dropsSeen = q.stats.DroppedFull + q.stats.DroppedAge
		r.takePast(q, st)
		r.countLost(q, st)
		for s, ok := q.wait.first(); ok; s, ok = q.wait.next(s + 1) {
			p := j.index.page(s)
			if p.refs[s%pageLen] == 0 {
				p.n++
				j.liveRecordLocked(p.loc[s%pageLen], 1)
			}
			p.refs[s%pageLen]++
			q.bytes += int64(p.loc[s%pageLen].dataLen())
			q.last = max(q.last, s)
		}
		if q.last > st.upTo {
			j.grownLocked(q)
		}
		j.queues[q.name], j.byID[id] = q, q
		j.durable = append(j.durable, q)
	}
	for no, p := range j.index.pages {
		if p.n == 0 {
			delete(j.index.pages, no)
		}
	}
	j.index.last = nil
	r.settleEntries()
	if n := len(r.checkpoints); n > 0 {
		j.lastCheckpoint = r.checkpoints[n-1]
		if n > 1 {
			j.keepFrom = r.checkpoints[n-2].slotLSN
		}
	}
}

// alive returns the ids of the queues that were not dropped, in order. Of two with one name
// the later lives: the frame that said that the other was dropped is damaged.
func (r *recovery) alive() (ids []uint32) {
	since := r.statesSince()
	newest := map[string]uint32{}
	for id, st := range r.states {
		if !r.dropped[id] && r.at[id] >= since {
			newest[st.name] = max(newest[st.name], id)
		}
	}
	for id, st := range r.states {
		switch {
		case r.dropped[id] || r.at[id] < since:
		case newest[st.name] == id:
			ids = append(ids, id)
		default:
			r.j.dropped = append(r.j.dropped, id)
		}
	}
	slices.Sort(ids)
	slices.Sort(r.j.dropped)
	return ids
}

// settleEntries drops removals that nothing needs, and has second copies made of what
// stands only once and should not.
func (r *recovery) settleEntries() {
	j := r.j
	found := uint64(0)
	for key, e := range j.entries {
		if e.tomb && !j.tombNeededLocked(j.slots[e.loc.slot()]) {
			delete(j.entries, key)
			continue
		}
		j.liveLocked(e.loc)
		if !e.tomb {
			found++
		}
		if e.sum = 0; !e.tomb && e.copy == 0 && j.twice(key) {
			j.again = append(j.again, second{key: key, loc: e.loc, slot: e.loc.slot(), off: e.loc.offset()})
		}
	}
	r.loss.entriesFound(found)
}

// statesSince returns where the last two checkpoints begin: a queue that neither knows was
// dropped, and the frame that said so has been overwritten.
func (r *recovery) statesSince() (lsn uint64) {
	for i := len(r.checkpoints) - 1; i >= 0 && i >= len(r.checkpoints)-2; i-- {
		lsn = r.checkpoints[i].start
	}
	return lsn
}

// takePast takes off q what its state says is gone.
func (r *recovery) takePast(q *Queue, st queueState) {
	for s, ok := q.wait.first(); ok && s <= st.low; s, ok = q.wait.first() {
		q.wait.remove(s)
	}
	for _, p := range st.past {
		for s, ok := q.wait.next(p.from); ok && s <= p.to; s, ok = q.wait.next(s + 1) {
			q.wait.remove(s)
		}
	}
}
