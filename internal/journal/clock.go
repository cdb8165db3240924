package journal

import (
	"encoding/binary"
	"slices"
	"time"

	"sensorgate/internal/varint"
)

// How old a record is decides whether it is dropped, and the wall clock may be wrong: a board
// without a battery starts in the past, learns the time hours later, and a bad time server
// may take it decades ahead for two seconds. So the age of what this run appended is measured
// with the monotonic clock. What earlier runs left is at least as old as this run. Only if
// the clock is set and did not step within settleTime does its time stamp count, and only if
// that was made while the clock was right, as far as the run that made it knew.
type clock struct {
	wall   func() time.Time
	synced func() bool // nil: always

	start     time.Time // of the run, for its monotonic reading
	startWall time.Time
	drift     time.Duration // of the wall clock against the monotonic one since then
	isSet     bool
	stepped   time.Time // when the newest step was seen, monotonic; zero: none
	step      time.Duration
	steps     uint64

	first   Seq    // the newest record of earlier runs
	unknown []span // records of earlier runs whose time stamps may be wrong
	wrong   Seq    // of this run: up to here

	ages  []ageSample
	every time.Duration // apart
}

// ageSample: the record with the Seq was appended at that time, and none before it later.
type ageSample struct {
	seq Seq
	at  time.Time
}

const (
	stepMin    = time.Minute // the wall clock against the monotonic one, within a second
	settleTime = time.Hour
	maxAges    = 4096
	maxUnknown = 64
	keyClock   = "journal/clock"
)

// openClock begins a run: what the last one said about its clock is read, and what this one
// knows is written.
func (j *Journal) openClock() {
	c := &j.clock
	// Without the monotonic reading: it would be what is compared.
	c.wall = func() time.Time { return time.Now().Round(0) }
	if wall := j.opt.Wall; wall != nil {
		c.wall = func() time.Time { return wall().Round(0) }
	}
	c.synced = j.opt.TimeSynced
	c.start, c.startWall, c.every = time.Now(), c.wall(), time.Second
	c.isSet = c.synced == nil || c.synced()
	c.first = j.last
	value, ok := j.Get(keyClock)
	if !ok || !c.parse(value) { // of a program that did not say: nobody knows
		c.unknown = []span{{1, c.first}}
	}
	j.putClock()
}

// parse reads what an earlier run wrote.
func (c *clock) parse(b []byte) bool {
	r := varint.NewReader(b)
	if r.Byte() != 1 {
		return false
	}
	first, wasSet, wrong := Seq(r.Uvarint()), r.Byte() != 0, Seq(r.Uvarint())
	for range r.Count(2) {
		c.unknown = append(c.unknown, span{Seq(r.Uvarint()), Seq(r.Uvarint())})
	}
	if !r.Done() {
		c.unknown = nil
		return false
	}
	if !wasSet {
		wrong = c.first
	}
	if wrong > first {
		c.unknown = append(c.unknown, span{first + 1, wrong})
	}
	if n := len(c.unknown); n > maxUnknown { // kept too long rather than too short
		c.unknown = append(slices.Clone(c.unknown[n-maxUnknown+1:]), span{1, c.unknown[n-maxUnknown].to})
	}
	return true
}

func (j *Journal) putClock() {
	c := &j.clock
	b := binary.AppendUvarint([]byte{1}, uint64(c.first))
	wasSet := byte(0)
	if c.isSet {
		wasSet = 1
	}
	b = binary.AppendUvarint(append(b, wasSet), uint64(c.wrong))
	b = binary.AppendUvarint(b, uint64(len(c.unknown)))
	for _, s := range c.unknown {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(s.from)), uint64(s.to))
	}
	j.Put(keyClock, b, Telemetry, nil, 0)
}

// stepOf returns how far the wall clock went astray since the last look.
func (c *clock) stepOf(wall, now time.Time) time.Duration {
	return wall.Sub(c.startWall) - now.Sub(c.start) - c.drift
}

// watchClock notices, once a second and before anything is stamped, that the clock was set or
// stepped. One that was set stays so when its time server goes away, but not if it steps then.
func (j *Journal) watchClock(now time.Time) {
	c := &j.clock
	synced := c.synced == nil || c.synced()
	j.mu.Lock()
	step := c.stepOf(c.wall(), now)
	stepped := step.Abs() >= stepMin
	set := synced || c.isSet && !stepped
	changed := stepped || set != c.isSet
	c.isSet = set
	if stepped {
		c.stepped, c.step, c.steps, c.wrong = now, step, c.steps+1, j.last
		j.log.Warn("the clock was set", "step", step.Round(time.Second), "note", "for an hour nothing of earlier runs is dropped for its age")
	}
	c.drift += step
	j.mu.Unlock()
	if changed {
		j.putClock()
	}
}

// sampleLocked remembers when a record was appended, now and then.
func (c *clock) sampleLocked(s Seq, now time.Time) {
	n := len(c.ages)
	if n > 0 && now.Sub(c.ages[n-1].at) < c.every {
		return
	}
	if n == maxAges {
		for i := range n / 2 {
			c.ages[i] = c.ages[2*i]
		}
		c.ages, c.every = c.ages[:n/2], 2*c.every
	}
	c.ages = append(c.ages, ageSample{s, now})
}

// judged reports whether the time stamps of earlier runs count.
func (c *clock) judged(now time.Time) bool {
	unseen := c.stepOf(c.wall(), now).Abs() >= stepMin
	return c.isSet && !unseen && (c.stepped.IsZero() || now.Sub(c.stepped) >= settleTime)
}

// StartGrace is how long nothing of an earlier run is dropped for its age after a start: a time
// server that is years ahead for a moment may be so just then, and no step is seen.
const StartGrace = 10 * time.Second

// drops reports whether the time stamps of earlier runs are a reason to drop something.
func (c *clock) drops(now time.Time) bool { return c.judged(now) && now.Sub(c.start) >= StartGrace }

// age returns how old the record is at least, and whether that is all that is known.
func (c *clock) age(s Seq, stamp, now time.Time) (age time.Duration, sure bool) {
	run := now.Sub(c.start)
	if s > c.first {
		drift := c.wall().Sub(c.startWall) - run
		if c.steps == 0 && drift.Abs() < stepMin {
			return min(run, max(0, c.wall().Sub(stamp))), true
		}
		i, exact := slices.BinarySearchFunc(c.ages, s, func(a ageSample, s Seq) int {
			switch {
			case a.seq < s:
				return -1
			case a.seq > s:
				return 1
			}
			return 0
		})
		switch {
		case exact:
			return now.Sub(c.ages[i].at), true
		case i == 0:
			return 0, true
		}
		return max(0, now.Sub(c.ages[i-1].at)-c.every), true
	}
	if !c.drops(now) {
		return run, false
	}
	for _, u := range c.unknown {
		if s >= u.from && s <= u.to {
			return run, false
		}
	}
	return max(run, c.wall().Sub(stamp)), true
}

// Stamp returns the wall clock's time of a moment of this run, for a later run to judge; ok is
// false while the clock is not set, or was set within the last hour.
func (j *Journal) Stamp(at time.Time) (stamp time.Time, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	return j.clock.wall().Add(-now.Sub(at)), j.clock.judged(now)
}

// AgeOf returns how long ago an earlier run made a stamp; ok is false while that cannot be
// judged.
func (j *Journal) AgeOf(stamp time.Time) (age time.Duration, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.clock.judged(time.Now()) {
		return 0, false
	}
	return max(0, j.clock.wall().Sub(stamp)), true
}

// Age returns how old a record of the queue is at least, whatever the wall clock did. It is
// not sure for what an earlier run appended while the clock is not set, or was set less than
// an hour ago, or was not set when the record was stamped.
func (q *Queue) Age(it *Item) (age time.Duration, sure bool) {
	now := time.Now()
	q.j.mu.Lock()
	defer q.j.mu.Unlock()
	return q.j.clock.age(it.Seq, it.Time, now)
}

// Unsure counts the records that wait in the queue and of which nobody knows how old they are:
// those of earlier runs, until the clock is set, and for an hour after a step.
func (q *Queue) Unsure() uint64 {
	q.j.mu.Lock()
	defer q.j.mu.Unlock()
	return q.unsureLocked(time.Now())
}

func (q *Queue) unsureLocked(now time.Time) (n uint64) {
	c := &q.j.clock
	if !c.drops(now) {
		return uint64(q.wait.n - q.wait.countFrom(c.first+1))
	}
	for _, u := range c.unknown {
		n += uint64(q.wait.countFrom(u.from) - q.wait.countFrom(u.to+1))
	}
	return n
}

// heldLocked counts the records with a bound on their age that cannot be judged now.
func (j *Journal) heldLocked(now time.Time) (n uint64) {
	for _, q := range j.durable {
		if q.lim.Age > 0 {
			n += q.unsureLocked(now)
		}
	}
	return n
}
