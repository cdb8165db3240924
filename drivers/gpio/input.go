package gpio

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
)

type inputOptions struct {
	LineOptions
	Active     Active        `toml:"active" example:"\"low\"" doc:"The level of a closed contact or a pressed button: high (default) or low."`
	Debounce   time.Duration `toml:"debounce" doc:"How long a level must last to count; the kernel measures it."`
	Class      InputClass    `toml:"class" doc:"What is on the line, which decides the words of the states: switch (default), contact, door, window, gate, garage, lock, float, leak, motion, presence, vibration, smoke, alarm, tamper, fault, power, running, button."`
	StuckAfter time.Duration `toml:"stuck_after" doc:"A fault is reported when the state has not changed for so long; 0 is never."`
	StuckWhen  StuckWhen     `toml:"stuck_when" example:"\"active\"" doc:"Which state must not last that long: any (default), active or inactive."`
	Poll       time.Duration `toml:"poll" doc:"The line is looked at in this interval, for a line without an interrupt (some port expanders); 0 uses edges."`
}

// Check finds combinations that cannot work.
func (o *inputOptions) Check() error {
	switch {
	case o.Debounce < 0 || o.Debounce > time.Minute:
		return &drivers.KeyError{Key: "debounce", Problem: fmt.Sprintf("%v cannot be", o.Debounce), Expected: "0s to 1m", Try: `debounce = "20ms"`}
	case o.Poll < 0 || o.Poll > 0 && o.Poll < time.Millisecond:
		return &drivers.KeyError{Key: "poll", Problem: fmt.Sprintf("%v is too short", o.Poll), Expected: "1ms or more", Try: `poll = "50ms"`}
	case o.StuckAfter < 0:
		return &drivers.KeyError{Key: "stuck_after", Problem: "is negative", Try: `stuck_after = "24h"`}
	case o.StuckWhen != stuckAny && o.StuckAfter == 0:
		return &drivers.KeyError{Key: "stuck_when", Problem: "does nothing without stuck_after", Try: `stuck_after = "1h"`}
	}
	return nil
}

// Outputs reports whether the state is kept by the broker or happens once.
func (o *inputOptions) Outputs() []drivers.Channel {
	return []drivers.Channel{{Name: "state", Kind: o.Class.kind, Values: o.Class.words()}}
}

// StuckWhen is the state of an input that may not last.
type StuckWhen uint8

const (
	stuckAny StuckWhen = iota
	stuckActive
	stuckInactive
)

// UnmarshalText reads the configuration's word.
func (s *StuckWhen) UnmarshalText(b []byte) error {
	return choose(s, string(b), []choice[StuckWhen]{{"any", stuckAny}, {"active", stuckActive}, {"inactive", stuckInactive}})
}

func inputDriver(c *Chips) drivers.Driver {
	return drivers.Driver{
		Name:    "input",
		Summary: "GPIO input: door contact, button, motion detector, float switch",
		Options: func() any {
			return &inputOptions{Debounce: 10 * time.Millisecond, Class: InputClass{inputClasses[0]}}
		},
		Channels: []drivers.Channel{{Name: "state", Kind: drivers.State}},
		Open: func(_ context.Context, s drivers.DeviceConfig) (any, error) {
			return openInput(c, s.Device, *s.Options.(*inputOptions))
		},
	}
}

func openInput(c *Chips, device string, o inputOptions) (*input, error) {
	cfg := Config{ActiveLow: o.Active == ActiveLow, Pull: o.Pull, Edges: Both, Debounce: o.Debounce, Buffer: eventBuffer}
	if o.Poll > 0 {
		cfg.Edges, cfg.Debounce = 0, 0 // two looks that agree are the debounce
	}
	line, err := c.request(device, o.GPIO, cfg)
	if err != nil {
		return nil, err
	}
	return &input{opt: o, line: line, edges: edges{line: line}}, nil
}

// input is a contact. It reports every change, and nothing while nothing changes.
type input struct {
	opt   inputOptions
	line  Line
	edges edges

	active  bool
	changed time.Time // when it became what it is; or when we began to look
	stuck   bool      // reported already

	// flood limits
	second time.Time
	inSec  int
}

// floodLimit is how many edges a second an input may have. A contact has ten; a line
// that floats has thousands, and would keep a small board busy with nothing.
const floodLimit = 2000

func (d *input) Close() error { return d.line.Close() }

// Watch reports changes until the line is lost.
func (d *input) Watch(ctx context.Context, report drivers.Report) error {
	if err := d.first(report); err != nil {
		return err
	}
	if d.opt.Poll > 0 {
		return d.watchByPolling(ctx, report)
	}
	for {
		evs, lost, err := d.edges.next(ctx, earliest(time.Now().Add(verifyEvery), d.stuckAt()))
		if err != nil {
			return err
		}
		if lost > 0 {
			report(drivers.Reading{}, lostError(lost))
		}
		for _, e := range evs {
			d.change(report, e.Rising, e.Time)
		}
		if len(evs) == 0 || lost > 0 {
			if err := d.verify(report); err != nil {
				return err
			}
		}
		d.checkStuck(report)
		if err := d.holdFlood(ctx, report, len(evs)); err != nil {
			return err
		}
	}
}

// first reports the state found. A button that is down when the gateway starts was
// not pressed now.
func (d *input) first(report drivers.Report) error {
	active, err := d.line.Get()
	if err != nil {
		return err
	}
	d.active, d.changed = active, time.Now()
	if d.opt.Class.kind == drivers.Event && active {
		return nil
	}
	d.send(report, d.changed)
	return nil
}

func (d *input) watchByPolling(ctx context.Context, report drivers.Report) error {
	for candidate := d.active; drivers.Sleep(ctx, d.opt.Poll); {
		active, err := d.line.Get()
		if err != nil {
			return err
		}
		if active != d.active && active == candidate {
			d.change(report, active, time.Now())
		}
		candidate = active
		d.checkStuck(report)
	}
	return ctx.Err()
}

// verify looks at the level itself: an edge that nobody reported is found here.
func (d *input) verify(report drivers.Report) error {
	active, err := d.line.Get()
	if err != nil {
		return err
	}
	if active != d.active {
		d.change(report, active, time.Now())
	}
	return nil
}

// change reports a new state. Without debounce the kernel can give two rising edges
// in a row, when the falling one between was too short to see: for a state nothing
// changed, but a button was pressed again.
func (d *input) change(report drivers.Report, active bool, at time.Time) {
	if active == d.active && d.opt.Class.kind != drivers.Event {
		return
	}
	d.active, d.changed, d.stuck = active, at, false
	d.send(report, at)
}

func (d *input) send(report drivers.Report, at time.Time) {
	report(drivers.Reading{Channel: "state", Value: d.opt.Class.value(d.active), Time: at}, nil)
}

func (d *input) stuckAt() time.Time {
	may := d.opt.StuckWhen == stuckAny || (d.opt.StuckWhen == stuckActive) == d.active
	if d.opt.StuckAfter == 0 || d.stuck || !may {
		return time.Time{}
	}
	return d.changed.Add(d.opt.StuckAfter)
}

func (d *input) checkStuck(report drivers.Report) {
	if at := d.stuckAt(); !at.IsZero() && !time.Now().Before(at) {
		d.stuck = true
		report(drivers.Reading{}, fmt.Errorf("%s without a change for %v: stuck, or its wire is broken", d.opt.Class.word(d.active), d.opt.StuckAfter))
	}
}

// holdFlood stops reading for the rest of a second that had too many edges. The
// kernel keeps the newest and numbers the others, so the next read shows how many.
func (d *input) holdFlood(ctx context.Context, report drivers.Report, n int) error {
	now := time.Now()
	if now.Sub(d.second) >= time.Second {
		d.second, d.inSec = now, 0
	}
	if d.inSec += n; d.inSec < floodLimit {
		return nil
	}
	report(drivers.Reading{}, fmt.Errorf("more than %d edges in a second (a line that floats? try: pull, debounce)", floodLimit))
	if !drivers.Sleep(ctx, time.Second-now.Sub(d.second)) {
		return ctx.Err()
	}
	return nil
}
