package gpio

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"sensorgate/drivers"
)

const (
	// defaultReport is how often a running meter is reported unless every asks for another interval.
	defaultReport = 10 * time.Second

	// saveGap bounds how often the total goes to the store: a single pulse at once, a
	// fast meter ten times a second. So a power cut costs at most the store's commit
	// window and this.
	saveGap = 100 * time.Millisecond
)

// pulse counts a meter's pulses. Edges that the kernel numbered and dropped because
// nobody read in time are counted too: they were pulses. Only with min_width their
// width is not known; then they are reported and not counted.
type pulse struct {
	opt     pulseOptions
	line    Line
	edges   edges
	store   drivers.Store
	every   time.Duration
	channel drivers.Channel // of the rate
	factor  float64         // units per second to the unit of the rate

	began bool // min_width: the pulse's first edge was seen,
	start time.Duration

	mu        sync.Mutex
	meter     meter
	uncertain bool               // pulses may have been missed since the last reading
	loadErr   error              // reported once
	dirty     bool               // changed since the last reading
	urgent    bool               // set by a command: reported at once
	unsaved   bool               // changed since the last save
	saved     time.Time          // when that was
	wake      context.CancelFunc // makes Watch look again

	flow flow
}

func openPulse(c *Chips, s drivers.DeviceConfig, o pulseOptions) (*pulse, error) {
	cfg := Config{Pull: o.Pull, Edges: o.Edge, Debounce: o.Debounce, Buffer: eventBuffer}
	if o.MinWidth > 0 {
		cfg.Edges = Both
	}
	line, err := c.request(s.Device, o.GPIO, cfg)
	if err != nil {
		return nil, err
	}
	d := &pulse{opt: o, line: line, edges: edges{line: line}, store: s.Store, every: s.Every, dirty: true}
	if d.every <= 0 {
		d.every = defaultReport
	}
	d.channel = o.Outputs()[1]
	d.factor, _, _ = rateOf(o.PerPulse.unit, o.Rate) // Check has seen it
	// Whoever counted before was not counting while we were away.
	d.meter, d.uncertain, d.loadErr = loadMeter(s.Store, o.PerPulse)
	d.flow.opened = time.Now()
	return d, nil
}

// Close counts what still waits in the kernel, and saves what is not saved.
func (d *pulse) Close() error {
	for {
		evs, lost, err := d.edges.next(context.Background(), time.Unix(1, 0)) // only look
		if err != nil || len(evs) == 0 {
			break // an error that matters is reported by the next Open
		}
		d.count(evs, lost)
	}
	d.mu.Lock()
	d.saveLocked(time.Now())
	d.mu.Unlock()
	return d.line.Close()
}

// Watch counts. While pulses come it reports every interval; after a pause the first
// pulse is reported at once; while none come it sleeps.
func (d *pulse) Watch(ctx context.Context, report drivers.Report) error {
	if d.loadErr != nil {
		report(drivers.Reading{}, d.loadErr)
		d.loadErr = nil
	}
	var reported time.Time
	for {
		reported = d.reportIfDue(report, reported, time.Now())
		woken, cancel := context.WithCancel(ctx)
		until := d.plan(cancel, reported, time.Now())
		evs, lost, err := d.edges.next(woken, until)
		commanded := woken.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case err != nil && commanded:
			continue
		case err != nil:
			return err
		}
		d.count(evs, lost)
		if lost > 0 && d.opt.MinWidth > 0 {
			report(drivers.Reading{}, lostError(lost))
		}
		if len(evs) == 0 { // is the chip still there?
			if _, err := d.line.Get(); err != nil {
				return err
			}
		}
	}
}

// plan returns until when to wait for pulses, and lets Command end the wait.
func (d *pulse) plan(wake context.CancelFunc, reported, now time.Time) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wake = wake
	until := now.Add(verifyEvery)
	until = earliest(until, d.reportAtLocked(reported))
	if d.unsaved {
		until = earliest(until, d.saved.Add(saveGap))
	}
	return until
}

// count adds the pulses among the events.
func (d *pulse) count(evs []Event, lost uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var n uint64
	if d.opt.MinWidth == 0 {
		n = uint64(len(evs)) + uint64(lost)
	} else {
		if lost > 0 {
			d.began, d.uncertain = false, true
		}
		lost = 1 // the events are edges, not pulses: the clock of the flow starts at a pulse's end
		for _, e := range evs {
			n += d.ofWidth(e)
		}
	}
	if n > 0 {
		d.meter.add(n)
		d.flow.add(n, lost, evs[0], evs[len(evs)-1])
		d.dirty, d.unsaved = true, true
	}
	if now := time.Now(); d.unsaved && now.Sub(d.saved) >= saveGap {
		d.saveLocked(now)
	}
}

// ofWidth counts a pulse at its end, if it was long enough.
func (d *pulse) ofWidth(e Event) uint64 {
	if e.Rising == (d.opt.Edge == Rising) {
		d.began, d.start = true, e.Mono
		return 0
	}
	long := d.began && e.Mono-d.start >= d.opt.MinWidth
	d.began = false
	if long {
		return 1
	}
	return 0
}

func (d *pulse) saveLocked(now time.Time) {
	if d.unsaved {
		d.meter.save(d.store)
		d.unsaved, d.saved = false, now
	}
}

// reportAtLocked is when there will be something to report; zero is never, unless a
// pulse comes.
func (d *pulse) reportAtLocked(reported time.Time) time.Time {
	if d.urgent {
		return reported
	}
	next := reported.Add(d.every)
	rate := d.flow.changesAt(d.opt.Idle)
	switch {
	case d.dirty:
		return next
	case rate.IsZero() || rate.After(next):
		return rate
	}
	return next
}

// reportIfDue returns the time of the last report.
func (d *pulse) reportIfDue(report drivers.Report, reported, now time.Time) time.Time {
	d.mu.Lock()
	if at := d.reportAtLocked(reported); at.IsZero() && !d.urgent || now.Before(at) {
		d.mu.Unlock()
		return reported
	}
	total := drivers.Reading{Channel: "total", Value: drivers.Number(d.meter.total()), Unit: d.opt.PerPulse.unit, Time: now}
	if d.uncertain {
		total.Quality = drivers.Uncertain
	}
	perSecond, known := d.flow.rate(d.opt.Idle, now)
	rate := drivers.Number(tidy(perSecond * d.opt.PerPulse.times(1) * d.factor))
	d.dirty, d.urgent, d.uncertain = false, false, false
	d.mu.Unlock()

	report(total, nil)
	if known {
		report(drivers.Reading{Channel: d.channel.Name, Value: rate, Unit: d.channel.Unit, Time: now}, nil)
	}
	return now
}

// Command sets the total to what the meter's dial shows.
func (d *pulse) Command(_ context.Context, c drivers.Command) error {
	if c.Channel != "total" {
		return drivers.ErrNoCommands
	}
	total, err := strconv.ParseFloat(strings.TrimSpace(string(c.Payload)), 64)
	if err != nil || math.IsNaN(total) || total < 0 || total > 1e15 {
		return fmt.Errorf("%w: found %.40q, expected the total in %s", drivers.ErrRefused, c.Payload, d.opt.PerPulse.unit)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.meter.set(total)
	d.uncertain, d.dirty, d.urgent, d.unsaved = false, true, true, true
	d.saveLocked(time.Now())
	if d.wake != nil {
		d.wake()
	}
	return nil
}

// flow is the rate of the pulses, in pulses per second.
type flow struct {
	opened time.Time
	n      uint64        // pulses since the last report
	last   time.Duration // monotonic time of the newest pulse
	at     time.Time     // the same
	ref    time.Duration // of the newest pulse at the last report; 0: none
	value  float64       // at the last report
	known  bool
}

// add takes n pulses. The first one after a pause only starts the clock.
func (f *flow) add(n uint64, lost uint32, oldest, newest Event) {
	switch {
	case f.ref != 0:
		f.n += n
	case lost == 0:
		f.ref, f.n = oldest.Mono, n-1
	default: // when the oldest of all came is not known
		f.ref = newest.Mono
	}
	f.last, f.at = newest.Mono, newest.Time
}

// changesAt is when the rate will be another although no pulse comes: from now on
// while something flows, after idle if it is not known whether, else never (zero).
func (f *flow) changesAt(idle time.Duration) time.Time {
	switch {
	case f.known && f.value == 0:
		return time.Time{}
	case f.known:
		return f.opened
	case f.at.After(f.opened):
		return f.at.Add(idle)
	}
	return f.opened.Add(idle)
}

// rate is over the pulses since the last report; without any it is at most one pulse
// in the time since the newest, and 0 when that is longer than idle.
func (f *flow) rate(idle time.Duration, now time.Time) (perSecond float64, known bool) {
	silent := now.Sub(f.opened)
	if f.at.After(f.opened) {
		silent = now.Sub(f.at)
	}
	switch {
	case f.n > 0 && f.last > f.ref:
		f.value, f.known = float64(f.n)/(f.last-f.ref).Seconds(), true
		f.ref, f.n = f.last, 0
	case silent >= idle:
		f.value, f.known, f.ref = 0, true, 0
	case silent > 0:
		f.value = min(f.value, 1/silent.Seconds())
	}
	return f.value, f.known
}
