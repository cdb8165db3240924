package history

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sort"
	"time"
)

// MaxPoints is the most points that one answer has.
const MaxPoints = 2000

// Query asks for a part of one series.
type Query struct {
	Series   string
	From, To time.Time     // From is in, To is not
	Every    time.Duration // width of the answer's slots, 1 s at least; 0: as fine as Max allows
	Max      int           // of points; 0 or more than MaxPoints: MaxPoints
	Offset   time.Duration // of the slots against UTC, for days of another zone
}

// Answer is what a Query finds.
type Answer struct {
	Kind    Kind          // of the newest values in the range
	Every   time.Duration // width of the slots; 0: Points are single values
	Points  []Point       // by time; nothing stands where nothing was measured
	Changes []Change      // of states, by time; the first may lie before From: it held then
	Cut     bool          // there were more changes than Max: the newest are here
	Damaged int           // chunks in the range that could not be read
}

var errRange = errors.New("the range ends before it begins")

// widths are the slots that people understand.
var widths = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	2 * 24 * time.Hour, 5 * 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour,
}

// widthFor returns the smallest slots of which max cover span.
func widthFor(span time.Duration, most int) time.Duration {
	for _, w := range widths {
		if span <= w*time.Duration(most-1) {
			return w
		}
	}
	return (span/time.Duration(most-1) + 24*time.Hour).Truncate(24 * time.Hour)
}

// tierFor returns the coarsest tier whose slots are not wider than those asked for.
func tierFor(every time.Duration) tier {
	for t := quarters; t > raw; t-- {
		if every.Milliseconds() >= t.width() && every.Milliseconds()%t.width() == 0 {
			return t
		}
	}
	return raw
}

// Query reads a part of a series. A series that is not known is an empty answer. What
// cannot be read is left out and counted.
func (s *Store) Query(q Query) (Answer, error) {
	if !q.To.After(q.From) {
		return Answer{}, fmt.Errorf("%w: from %s to %s", errRange, q.From.Format(time.RFC3339), q.To.Format(time.RFC3339))
	}
	if q.Max <= 1 || q.Max > MaxPoints {
		q.Max = MaxPoints
	}
	span := q.To.Sub(q.From)
	least := widthFor(span, q.Max)
	if q.Every > 0 && span/max(q.Every, time.Second) >= time.Duration(q.Max) {
		return Answer{}, fmt.Errorf("slots of %s in %s are more than %d points; the finest that fits is %s", q.Every, span, q.Max, least)
	}
	r := &reader{store: s, q: q, from: q.From.UnixMilli(), to: q.To.UnixMilli()}
	every := max(q.Every, 0)
	if every == 0 {
		every = least
	}
	every = max(every, time.Second)
	r.slots = newSlots(every.Milliseconds())
	r.slots.offset = q.Offset.Milliseconds()
	r.from = r.slots.start(r.from) // the first slot is whole
	r.keepRaw = q.Every == 0 && tierFor(every) == raw
	r.read(tierFor(every))
	return r.answer(every), nil
}

// reader gathers one answer.
type reader struct {
	store    *Store
	q        Query
	from, to int64

	kind     Kind
	kindTime int64
	slots    *slots
	skip     uint64  // number of a raw frame whose values were taken from memory
	keepRaw  bool    // as long as they are few enough, single values are the answer
	points   []Point // single values
	changes  []Change
	before   *Change // newest change before from
	damaged  int
}

// read takes the tier t for what is in it, finer ones for what is too new for it, and
// coarser ones for what is too old for the finest that is there.
func (r *reader) read(t tier) {
	d := &r.store.disk
	r.skip = r.store.inMemory(r.q.Series, r.point, r.change)
	d.mu.RLock()
	defer d.mu.RUnlock()
	for finer := raw; finer < t; finer++ {
		for _, f := range d.frames(finer) {
			if f.number > d.covers[finer+1] {
				r.frame(f, r.from, r.to)
			}
		}
	}
	reach := int64(1 << 62)
	if fs := d.frames(t); len(fs) > 0 {
		reach = fs[0].from
		for _, f := range fs {
			r.frame(f, r.from, r.to)
		}
	}
	for coarser := t + 1; coarser < tiers && reach > r.from; coarser++ {
		fs := d.frames(coarser)
		for _, f := range fs {
			if f.from < reach {
				r.keepRaw = false
				r.frame(f, r.from, min(r.to, reach-coarser.width()+1))
			}
		}
		if len(fs) > 0 {
			reach = min(reach, fs[0].from)
		}
	}
}

// frame takes what lies in a frame between two times. For the state that held at from,
// frames up to a day before are looked at.
func (r *reader) frame(f *frame, from, to int64) {
	if f.from >= to || f.to < from-stateLook || f.seg.tier == raw && f.number == r.skip {
		return
	}
	giveWay()
	numbers := f.to >= from
	err := f.directory(func(name []byte, e entry) bool {
		c := cmp.Compare(string(name), r.q.Series)
		if c == 0 && (numbers || e.kind == State) {
			if err := r.chunk(f, e, from, to); err != nil {
				r.damaged++
			}
		}
		return c <= 0
	})
	if err != nil {
		r.damaged++
	}
}

// chunk takes what lies in a chunk between two times.
func (r *reader) chunk(f *frame, e entry, from, to int64) error {
	if r.keepRaw || f.seg.tier != raw || e.kind == State {
		return f.decode(e, func(k Kind, p Point) {
			if p.Time < to && p.Time >= from {
				r.point(k, p)
			}
		}, r.change)
	}
	b, err := f.read(e)
	if err != nil {
		return err
	}
	newest, err := r.slots.addChunk(b, f.shift, max(from, r.from), min(to, r.to))
	if newest >= r.kindTime {
		r.kind, r.kindTime = e.kind, newest
	}
	return err
}

// giveWay lets whoever else can run have a turn. A long answer takes milliseconds, the runtime
// interrupts it after ten, and on a board with one core the broker would wait so long.
func giveWay() { runtime.Gosched() }

const stateLook = 24 * 3600 * 1000 // ms

func (r *reader) point(k Kind, p Point) {
	if p.Time < r.from || p.Time >= r.to {
		return
	}
	if p.Time >= r.kindTime {
		r.kind, r.kindTime = k, p.Time
	}
	if r.keepRaw {
		if p.N == 1 && len(r.points) < r.q.Max {
			r.points = append(r.points, p)
			return
		}
		r.keepRaw = false
	}
	for _, p := range r.points {
		r.slots.add(p)
	}
	r.points = nil
	r.slots.add(p)
}

func (r *reader) change(c Change) {
	if c.Time >= r.to {
		return
	}
	if c.Time < r.from {
		if r.before == nil || c.Time > r.before.Time {
			r.before = &c
		}
		return
	}
	if c.Time >= r.kindTime {
		r.kind, r.kindTime = State, c.Time
	}
	r.changes = append(r.changes, c)
}

func (r *reader) answer(every time.Duration) Answer {
	a := Answer{Kind: r.kind, Every: every, Damaged: r.damaged}
	if r.keepRaw {
		a.Every = 0
		a.Points = byTime(slices.DeleteFunc(r.points, func(p Point) bool { return p.Time < r.q.From.UnixMilli() }))
	} else {
		for _, p := range r.points {
			r.slots.add(p)
		}
		a.Points = r.slots.sorted()
	}
	sort.SliceStable(r.changes, func(i, k int) bool { return r.changes[i].Time < r.changes[k].Time })
	if r.before != nil {
		r.changes = slices.Insert(r.changes, 0, *r.before)
		if len(r.changes) == 1 && len(a.Points) == 0 {
			a.Kind = State
		}
	}
	a.Changes = slices.CompactFunc(r.changes, func(a, b Change) bool { return a.State == b.State })
	if len(a.Changes) > r.q.Max {
		a.Changes, a.Cut = a.Changes[len(a.Changes)-r.q.Max:], true
	}
	return a
}
