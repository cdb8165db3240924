package gpio

import (
	"context"
	"errors"
	"time"

	"sensorgate/drivers"
)

type frequencyOptions struct {
	LineOptions
	Edge      Edges         `toml:"edge" example:"\"rising\"" doc:"Which edges count: rising (default), falling or both."`
	Debounce  time.Duration `toml:"debounce" doc:"How long a level must last; 0s for electronic outputs."`
	PerTurn   float64       `toml:"per_turn" example:"2" doc:"How many edges one turn of a fan or wheel makes; 1 for a plain frequency."`
	Unit      SpeedUnit     `toml:"unit" example:"\"rpm\"" doc:"The unit of the result: Hz (default) or rpm."`
	ZeroAfter time.Duration `toml:"zero_after" doc:"The frequency is 0 when there was no edge for so long; this is also the longest period that can be measured."`
}

// SpeedUnit is hertz or turns per minute.
type SpeedUnit uint8

const (
	hertz SpeedUnit = iota
	rpm
)

// UnmarshalText reads the configuration's word.
func (u *SpeedUnit) UnmarshalText(b []byte) error {
	return choose(u, string(b), []choice[SpeedUnit]{{"Hz", hertz}, {"rpm", rpm}})
}

// Check finds values that cannot work.
func (o *frequencyOptions) Check() error {
	var errs []error
	if !(o.PerTurn > 0) {
		errs = append(errs, &drivers.KeyError{Key: "per_turn", Problem: "must be more than 0", Try: "per_turn = 2"})
	}
	if o.ZeroAfter <= 0 {
		errs = append(errs, &drivers.KeyError{Key: "zero_after", Problem: "must be longer than nothing", Try: `zero_after = "2s"`})
	}
	if o.Debounce < 0 {
		errs = append(errs, &drivers.KeyError{Key: "debounce", Problem: "is negative", Try: `debounce = "0s"`})
	}
	return errors.Join(errs...)
}

// Outputs is called after what is measured.
func (o *frequencyOptions) Outputs() []drivers.Channel {
	if o.Unit == rpm {
		return []drivers.Channel{{Name: "speed", Unit: "rpm"}}
	}
	return []drivers.Channel{{Name: "frequency", Unit: "Hz"}}
}

func frequencyDriver(c *Chips) drivers.Driver {
	return drivers.Driver{
		Name:     "frequency",
		Summary:  "GPIO frequency: fan and wheel speed, anemometer, mains",
		Every:    time.Second,
		Options:  func() any { return &frequencyOptions{Edge: Rising, PerTurn: 1, ZeroAfter: 2 * time.Second} },
		Channels: []drivers.Channel{{Name: "frequency", Unit: "Hz"}},
		Open: func(_ context.Context, s drivers.DeviceConfig) (any, error) {
			o := *s.Options.(*frequencyOptions)
			// Only the newest events matter: the kernel numbers the ones it drops.
			line, err := c.request(s.Device, o.GPIO, Config{Pull: o.Pull, Edges: o.Edge, Debounce: o.Debounce, Buffer: 16})
			if err != nil {
				return nil, err
			}
			return &frequency{opt: o, channel: o.Outputs()[0], line: line, opened: time.Now()}, nil
		},
	}
}

// frequency is asked at an interval and costs nothing between: the kernel numbers and
// stamps the edges, so the newest one of this poll and that of the last are the
// exact mean, however many lie between and were dropped from the buffer.
type frequency struct {
	opt     frequencyOptions
	channel drivers.Channel
	line    Line
	opened  time.Time
	buf     [16]Event
	ref     Event // newest edge known at the last poll; Seq 0: none
	hz      float64
}

func (d *frequency) Close() error { return d.line.Close() }

// Poll measures since the last poll. It returns nothing while nothing is known: before
// the second edge, unless there is none for zero_after.
func (d *frequency) Poll(ctx context.Context) ([]drivers.Reading, error) {
	newest := d.ref
	for {
		n, err := d.line.Wait(ctx, time.Unix(1, 0), d.buf[:]) // only look
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		if d.ref.Seq == 0 {
			d.ref = d.buf[0]
		}
		newest = d.buf[n-1]
	}
	now := time.Now()
	switch {
	case newest.Seq == 0 && now.Sub(d.opened) < d.opt.ZeroAfter:
		return nil, d.present()
	case newest.Seq == 0 || now.Sub(newest.Time) >= d.opt.ZeroAfter:
		d.hz, d.ref = 0, Event{}
		d.opened = now.Add(-d.opt.ZeroAfter) // what is 0 stays 0 until two edges say more
	case newest.Seq != d.ref.Seq:
		d.hz = float64(newest.Seq-d.ref.Seq) / (newest.Mono - d.ref.Mono).Seconds()
		d.ref = newest
	case d.hz == 0: // one edge means nothing yet
		return nil, nil
	default:
		d.hz = min(d.hz, 1/now.Sub(newest.Time).Seconds())
	}
	value := d.hz / d.opt.PerTurn
	if d.opt.Unit == rpm {
		value *= 60
	}
	return []drivers.Reading{{Channel: d.channel.Name, Unit: d.channel.Unit, Value: drivers.Number(tidy(value)), Time: now}}, d.present()
}

// present finds a chip that was removed: a quiet line does not show it.
func (d *frequency) present() error {
	_, err := d.line.Get()
	return err
}
