package history

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"io"
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

// exportSeries leaves errors to out, which keeps them.
func (s *Store) exportSeries(name string, out *csv.Writer) {
	row := func(t tier, p Point) {
		_ = out.Write([]string{timeText(p.Time), name, strconv.FormatInt(t.width()/1000, 10),
			numberText(p.Last), numberText(p.Min), numberText(p.Mean), numberText(p.Max), strconv.FormatUint(p.N, 10)})
	}
	change := func(c Change) { _ = out.Write([]string{timeText(c.Time), name, "0", c.State, "", "", "", "1"}) }

	var points []Point
	var changes []Change
	skip := s.inMemory(name, func(_ Kind, p Point) { points = append(points, p) }, func(c Change) { changes = append(changes, c) })
	d := &s.disk
	d.mu.RLock()
	defer d.mu.RUnlock()
	until := int64(1 << 62) // of the coarser tier, where the finer one begins
	from := [tiers]int64{}
	for t := range tiers {
		from[t] = until
		if fs := d.frames(t); len(fs) > 0 {
			until = min(until, fs[0].from)
		}
	}
	for _, t := range []tier{quarters, minutes, raw} {
		for _, f := range d.frames(t) {
			if t == raw && f.number == skip || t > raw && f.from >= from[t] {
				continue
			}
			s.exportFrame(f, name, func(p Point) {
				if t == raw || p.Time+t.width() <= from[t] {
					row(t, p)
				}
			}, func(c Change) {
				if t == raw || c.Time < from[t] {
					change(c)
				}
			})
		}
	}
	for _, p := range points {
		row(raw, p)
	}
	for _, c := range changes {
		change(c)
	}
}

// exportFrame calls the functions for what a frame has of a series; what cannot be read
// is left out.
func (s *Store) exportFrame(f *frame, series string, point func(Point), change func(Change)) {
	_ = f.directory(func(name []byte, e entry) bool {
		c := cmp.Compare(string(name), series)
		if c == 0 {
			_ = f.decode(e, func(_ Kind, p Point) { point(p) }, change)
		}
		return c <= 0
	})
}

func timeText(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

func numberText(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
