package mapping

import (
	"math"
	"slices"
	"sort"
	"time"

	"sensorgate/drivers"
)

// channel is a Channel at work: its filters with what they remember.
type channel struct {
	Channel
	topic   string
	encoder Encoder
	when    []condition // of Filters.When, in a fixed order

	medians  window
	averages window

	due     time.Time        // throttle: nothing is published before
	last    drivers.Reading  // what was published last
	waiting *drivers.Reading // newest reading that the throttle held back
	newest  drivers.Reading  // newest that the deadband held back, or was published
}

type condition struct{ channel, value string }

func newChannel(d *Device, c Channel) *channel {
	ch := &channel{Channel: c, topic: d.Topic(c.Name)}
	if ch.Payload == "" {
		ch.Payload = d.Payload
	}
	if ch.Payload == "" {
		ch.Payload = JSON
	}
	ch.encoder = ch.Payload.encoder()
	for name, value := range c.Filters.When {
		ch.when = append(ch.when, condition{name, value})
	}
	ch.medians.size = c.Filters.Median
	ch.averages.size = c.Filters.Average
	return ch
}

// sample is a reading that passed all filters, ready to be written down.
func (c *channel) sample(r drivers.Reading) Sample { return Sample{r, c.Filters.Digits} }

// value runs the filters that change a value. ok is false if there is nothing to
// go on with: a number that is none any more.
func (c *channel) value(v drivers.Value) (_ drivers.Value, ok bool) {
	x, isNumber := v.Number()
	if !isNumber {
		return v, v.Valid()
	}
	f := &c.Filters
	x = calibrate(f, x)
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return drivers.Value{}, false
	}
	if f.Median > 1 {
		x = median(c.medians.push(x))
	}
	if f.Average > 1 {
		x = mean(c.averages.push(x))
	}
	v = drivers.Number(x)
	return v, v.Valid()
}

// calibrate is the part without memory: scale, offset, points, clamp.
func calibrate(f *Filters, x float64) float64 {
	x = drivers.Scale(x, f.Scale, f.Offset)
	if len(f.Points) > 0 {
		x = interpolate(f.Points, x)
	}
	if f.Clamp != nil {
		x = min(max(x, f.Clamp[0]), f.Clamp[1])
	}
	return x
}

// interpolate reads x off the line through points; beyond its ends the last piece
// goes on straight, and one point alone is an offset.
func interpolate(points [][2]float64, x float64) float64 {
	if len(points) == 1 {
		return x - points[0][0] + points[0][1]
	}
	i := sort.Search(len(points), func(i int) bool { return points[i][0] > x })
	i = min(max(i, 1), len(points)-1)
	a, b := points[i-1], points[i]
	t := (x - a[0]) / (b[0] - a[0])
	return a[1]*(1-t) + b[1]*t // exact in both points
}

// round returns x with so many digits behind the point.
func round(x float64, digits int) float64 {
	p := math.Pow10(digits)
	if y := x * p; !math.IsInf(y, 0) {
		return math.Round(y) / p
	}
	return x
}

// window holds the last values of one channel.
type window struct {
	size   int
	values []float64
	next   int
}

// push adds x and returns all values, in no order.
func (w *window) push(x float64) []float64 {
	if len(w.values) < w.size {
		w.values = append(w.values, x)
		return w.values
	}
	w.values[w.next] = x
	w.next = (w.next + 1) % w.size
	return w.values
}

func median(values []float64) float64 {
	s := slices.Clone(values)
	slices.Sort(s)
	mid := len(s) / 2
	if len(s)%2 == 1 {
		return s[mid]
	}
	return s[mid-1]/2 + s[mid]/2 // halves first: the sum may overflow
}

func mean(values []float64) float64 {
	m := 0.0
	for i, x := range values {
		m += (x - m) / float64(i+1) // no sum that could overflow
	}
	return m
}

// slack is by how much a reading may come early for the throttle: a poll every 5 s
// must pass one of 60 s at its 12th, though that comes some milliseconds early.
func (f *Filters) slack() time.Duration { return f.Every / 10 }

// passThrottle reports whether a reading taken at t may go out now, and if so sets
// when the next one may.
func (c *channel) passThrottle(t time.Time) bool {
	every := c.Filters.Every
	if every <= 0 {
		return true
	}
	if !c.due.IsZero() && t.Before(c.due.Add(-c.Filters.slack())) {
		return false
	}
	// The schedule is kept, so that the slack does not add up; after a pause it starts anew.
	c.due = c.due.Add(every)
	if c.due.Before(t.Add(every - c.Filters.slack())) {
		c.due = t.Add(every)
	}
	return true
}

// unchanged reports whether the deadband holds v back at t.
func (c *channel) unchanged(v drivers.Value, t time.Time) bool {
	f := &c.Filters
	if f.Deadband <= 0 && f.AtLeast <= 0 || !c.last.Value.Valid() {
		return false
	}
	if f.AtLeast > 0 && !t.Before(c.last.Time.Add(f.AtLeast)) {
		return false
	}
	x, isNumber := v.Number()
	was, wasNumber := c.last.Value.Number()
	if isNumber && wasNumber {
		return x == was || math.Abs(x-was) < f.Deadband
	}
	return v == c.last.Value
}

// pass runs the filters that hold readings back, on a value that went through
// value; it returns the reading to publish.
func (c *channel) pass(r drivers.Reading) (drivers.Reading, bool) {
	if !c.passThrottle(r.Time) {
		c.waiting = &r
		return r, false
	}
	c.waiting = nil
	c.newest = r
	if c.unchanged(r.Value, r.Time) {
		return r, false
	}
	return c.publish(r), true
}

// publish notes that r goes out, and rounds it.
func (c *channel) publish(r drivers.Reading) drivers.Reading {
	c.last, c.newest = r, r
	return c.rounded(r)
}

// rounded is r with the digits that are published.
func (c *channel) rounded(r drivers.Reading) drivers.Reading {
	return Sample{r, c.Filters.Digits}.Rounded()
}

// next is when tick has something to do.
func (c *channel) next() (at time.Time, ok bool) {
	if c.waiting != nil {
		at, ok = c.due.Add(c.Filters.slack()), true
	}
	if c.repeats() {
		if repeat := c.last.Time.Add(c.Filters.AtLeast); !ok || repeat.Before(at) {
			at, ok = repeat, true
		}
	}
	return at, ok
}

// repeats reports whether at_least sends a value again without a new reading: only a
// state that is known until it changes. What is measured is measured again soon,
// and if not, then nothing may pretend it was.
func (c *channel) repeats() bool {
	return c.Kind == drivers.State && c.Filters.AtLeast > 0 && c.last.Value.Valid()
}

// tick returns what is due at now without a new reading.
func (c *channel) tick(now time.Time) (r drivers.Reading, ok bool) {
	if at, due := c.next(); !due || now.Before(at) {
		return r, false
	}
	if c.waiting != nil && !now.Before(c.due.Add(c.Filters.slack())) {
		r = *c.waiting
		c.waiting = nil
		c.due = now.Add(c.Filters.Every)
		c.newest = r
		if c.unchanged(r.Value, r.Time) {
			return r, false
		}
		return c.publish(r), true
	}
	r = c.newest
	r.Time = now // a state holds until its change is reported, so it is true now
	return c.publish(r), true
}
