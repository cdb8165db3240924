package journal

// loss is what a recovery finds out about damage. Three things tell of it: a hole in the
// numbers of the frames, the states of queues, which say how many records waited on the disk,
// and the number of entries in checkpoints and marks. Together they give the exact number of
// messages, by queue, as long as no newer state can be among what is missing; otherwise the
// numbers are a lower bound.
type loss struct {
	frames    uint64 // missing by their numbers
	records   uint64 // missing by the states of queues
	entries   uint64 // missing by their number
	atLeast   bool
	lastHole  uint64 // lsn of the newest frame that is missing
	cover     uint64 // lsn of the newest frame that says that all states before it are current
	counted   uint64 // entries that there were at that time
	lastEntry uint64 // lsn of the newest entry frame
	files     map[int]uint64
	queues    []queueLoss
}

type queueLoss struct {
	name string
	n    uint64
}

// hole: n frames up to lsn are missing in s.
func (l *loss) hole(s *segment, lsn, n uint64) {
	l.frames += n
	l.lastHole = max(l.lastHole, lsn)
	l.file(s.no, n)
}

// end: an unknown number of frames up to lsn is missing behind s.
func (l *loss) end(s *segment, lsn uint64) {
	l.hole(s, lsn, 1)
	l.atLeast = true
}

// header: both copies of the header of a slot are damaged. Nothing else is lost by that.
func (l *loss) header(s *slot) {
	l.frames++
	l.file(s.no, 1)
}

func (l *loss) file(no int, n uint64) {
	if l.files == nil {
		l.files = map[int]uint64{}
	}
	l.files[no] += n
}

// covered: a frame says that all states before it are current, and how many entries there are.
func (l *loss) covered(lsn, entries uint64) { l.cover, l.counted = lsn, entries }

// entriesFound compares the number of entries with what the newest cover says.
func (l *loss) entriesFound(n uint64) {
	if l.cover > l.lastEntry && l.counted > n {
		l.entries = l.counted - n
	}
}

// damaged is how many records and values were lost.
func (l *loss) damaged() uint64 { return max(l.frames, l.records+l.entries) }

// countLost compares what waits in q with what its newest state says.
func (r *recovery) countLost(q *Queue, st queueState) {
	if !st.counted {
		return
	}
	found := uint64(q.wait.n - q.wait.countFrom(st.upTo+1))
	if found >= st.onDisk {
		return
	}
	if r.loss.lastHole > r.at[q.id] {
		// A newer state may be missing, and with it that these were acknowledged.
		r.loss.atLeast = true
		return
	}
	n := st.onDisk - found
	q.stats.Damaged += n
	q.missedLocked(st.upTo, n)
	r.j.markDirtyLocked(q)
	r.loss.records += n
	r.loss.queues = append(r.loss.queues, queueLoss{q.name, n})
}

// report logs and counts the damage, once per file and queue.
func (r *recovery) report() {
	l, j := &r.loss, r.j
	if l.frames > 0 && (l.lastHole > l.cover || l.records+l.entries < l.frames) {
		// Not every missing frame is accounted for: the others may have been records of a
		// queue that grew since its last state, or states.
		l.atLeast = l.atLeast || l.lastHole > l.cover || l.uncertain(r)
	}
	j.stats.Damaged, j.stats.DamagedAtLeast = l.damaged(), l.atLeast
	if j.stats.Damaged == 0 {
		return
	}
	for no, n := range l.files {
		j.log.Warn("journal damaged", "file", slotName(no), "frames", n)
	}
	for _, q := range l.queues {
		j.log.Warn("journal lost records to damage", "queue", q.name, "records", q.n)
	}
	j.log.Warn("journal was damaged", "lost", j.stats.Damaged, "at_least", l.atLeast,
		"entries", l.entries, "note", "values and positions may be older than the last ones")
}

// uncertain reports whether a queue's newest state is older than what is missing.
func (l *loss) uncertain(r *recovery) bool {
	for _, q := range r.j.durable {
		if r.at[q.id] < l.lastHole {
			return true
		}
	}
	return false
}
