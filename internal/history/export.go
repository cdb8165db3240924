package history

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"time"
)

// Export writes all that is kept as CSV, one series after the other: single values as
// far back as they reach, before that minutes, before that quarters of an hour. The
// columns are time (RFC 3339, UTC), series, width of the slot in seconds (0: a single
// value), last, minimum, mean and maximum, and how many values they stand for. progress
// is called before each series; it may be nil.
func (s *Store) Export(w io.Writer, progress func(done, total int)) error {
	buffered := bufio.NewWriter(w)
	out := csv.NewWriter(buffered)
	if err := out.Write([]string{"time", "series", "seconds", "value", "min", "mean", "max", "n"}); err != nil {
		return err
	}
	names := s.Names()
	for i, name := range names {
		if progress != nil {
			progress(i, len(names))
		}
		s.exportSeries(name, out)
		if out.Flush(); out.Error() != nil {
			return out.Error()
		}
	}
	if progress != nil {
		progress(len(names), len(names))
	}
	return buffered.Flush()
}

// exportSeries leaves errors to out, which keeps them. The store is locked for one frame at
// a time and never while it writes: whoever reads slowly must not keep it from recording.
func (s *Store) exportSeries(name string, out *csv.Writer) {
	row := func(t tier, p Point) {
		_ = out.Write([]string{timeText(p.Time), name, strconv.FormatInt(t.width()/1000, 10),
			numberText(p.Last), numberText(p.Min), numberText(p.Mean), numberText(p.Max), strconv.FormatUint(p.N, 10)})
	}
	change := func(c Change) { _ = out.Write([]string{timeText(c.Time), name, "0", c.State, "", "", "", "1"}) }

	var recent, stored part
	skip := s.inMemory(name, recent.point, recent.change)
	from := s.begins()
	for _, t := range []tier{quarters, minutes, raw} {
		for last := (*frame)(nil); ; {
			if stored.clear(); !s.nextFrame(t, name, skip, from[t], &last, &stored) {
				break
			}
			for _, p := range stored.points {
				if t == raw || p.Time+t.width() <= from[t] {
					row(t, p)
				}
			}
			for _, c := range stored.changes {
				if t == raw || c.Time < from[t] {
					change(c)
				}
			}
		}
	}
	for _, p := range recent.points {
		row(raw, p)
	}
	for _, c := range recent.changes {
		change(c)
	}
}

// part is what one frame, or the memory, has of a series.
type part struct {
	points  []Point
	changes []Change
}

func (p *part) point(_ Kind, v Point) { p.points = append(p.points, v) }
func (p *part) change(c Change)       { p.changes = append(p.changes, c) }
func (p *part) clear()                { p.points, p.changes = p.points[:0], p.changes[:0] }

// begins returns for each tier where a finer one begins.
func (s *Store) begins() (from [tiers]int64) {
	d := &s.disk
	d.mu.RLock()
	defer d.mu.RUnlock()
	until := int64(1 << 62)
	for t := range tiers {
		from[t] = until
		if fs := d.frames(t); len(fs) > 0 {
			until = min(until, fs[0].from)
		}
	}
	return from
}

// behind returns the frames after last, all of them after nil. If last was dropped for its
// age meanwhile, those are that are newer.
func behind(fs []*frame, last *frame) []*frame {
	if last == nil {
		return fs
	}
	if i := slices.Index(fs, last); i >= 0 {
		return fs[i+1:]
	}
	if i := slices.IndexFunc(fs, func(f *frame) bool { return f.number > last.number }); i >= 0 {
		return fs[i:]
	}
	return nil
}

// nextFrame reads the frame behind last, which moves to it; false if there is none.
func (s *Store) nextFrame(t tier, name string, skip uint64, from int64, last **frame, to *part) bool {
	d := &s.disk
	d.mu.RLock()
	defer d.mu.RUnlock()
	fs := behind(d.frames(t), *last)
	if len(fs) == 0 {
		return false
	}
	f := fs[0]
	*last = f
	if t == raw && f.number == skip || t > raw && f.from >= from {
		return true // in memory, or in a finer tier too
	}
	giveWay()
	s.exportFrame(f, name, to.point, to.change)
	return true
}

// exportFrame calls the functions for what a frame has of a series; what cannot be read
// is left out.
func (s *Store) exportFrame(f *frame, series string, point func(Kind, Point), change func(Change)) {
	_ = f.directory(func(name []byte, e entry) bool {
		c := cmp.Compare(string(name), series)
		if c == 0 {
			_ = f.decode(e, point, change)
		}
		return c <= 0
	})
}

func timeText(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

func numberText(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
