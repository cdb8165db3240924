package sim

import (
	"fmt"
	"strings"
	"time"

	"sensorgate/drivers"
)

// Options of a made-up device.
type Options struct {
	Seed   uint64        `toml:"seed" example:"7" doc:"Another number makes other random walks."`
	Answer time.Duration `toml:"answer" doc:"How long an answer takes."`
	Fail   *Outage       `toml:"fail" example:"{ every = \"1m\", for = \"5s\" }" doc:"It answers with an error now and then: { every = \"1m\", for = \"5s\" }."`
	Hang   *Outage       `toml:"hang" doc:"It does not answer at all now and then."`
	Absent *Outage       `toml:"absent" example:"{ every = \"10m\", for = \"1m\" }" doc:"It is unplugged now and then."`
}

// Check is called when the file is read.
func (o *Options) Check() error {
	for key, out := range map[string]*Outage{"fail": o.Fail, "hang": o.Hang, "absent": o.Absent} {
		if out != nil && (out.For <= 0 || out.Every <= 0 || out.For > out.Every) {
			return &drivers.KeyError{Key: key, Problem: fmt.Sprintf("found every = %q and for = %q", out.Every, out.For),
				Expected: "for above 0 and not longer than every", Try: `{ every = "1m", for = "5s" }`}
		}
	}
	return nil
}

// Outage is trouble that comes back: the last For of each Every.
type Outage struct {
	Every time.Duration `toml:"every" doc:"The time from one outage to the next."`
	For   time.Duration `toml:"for" doc:"How long each outage takes."`
}

// during reports whether there is an outage at age, the time since the device was
// made. A nil outage never is.
func (o *Outage) during(age time.Duration) bool {
	return o != nil && age%o.Every >= o.Every-o.For
}

// ChannelOptions of a made-up channel.
type ChannelOptions struct {
	Shape  Shape         `toml:"shape" example:"\"walk\"" doc:"What the values do: sine, walk, counter, switch, output or setpoint."`
	From   float64       `toml:"from" example:"14" doc:"The lowest value; a counter and a setpoint begin there."`
	To     float64       `toml:"to" example:"31" doc:"The highest value."`
	Period time.Duration `toml:"period" doc:"The period of a sine or a switch."`
	Step   float64       `toml:"step" example:"0.5" doc:"The greatest step of a walk, or the growth of a counter per second; default: 1/50 of the range."`
}

func defaultChannel() any {
	return &ChannelOptions{Shape: Sine, From: 0, To: 100, Period: time.Minute}
}

// Check is called when the file is read.
func (o *ChannelOptions) Check() error {
	switch {
	case o.To <= o.From:
		return &drivers.KeyError{Key: "to", Problem: fmt.Sprintf("found %v, which is not above from = %v", o.To, o.From)}
	case o.Period <= 0:
		return &drivers.KeyError{Key: "period", Problem: "found nothing or less", Try: `period = "1m"`}
	case o.Step < 0:
		return &drivers.KeyError{Key: "step", Problem: fmt.Sprintf("found %v, expected 0 or more", o.Step)}
	}
	return nil
}

// Outputs returns what kind of channel the shape makes.
func (o *ChannelOptions) Outputs() []drivers.Channel {
	c := drivers.Channel{Kind: kinds[o.Shape], Writable: o.Shape == Output || o.Shape == Setpoint}
	switch o.Shape {
	case Switch, Output:
		c.Values = drivers.Booleans()
	case Setpoint:
		c.Min, c.Max, c.HasRange = o.From, o.To, true
	}
	return []drivers.Channel{c}
}

// Shape of a channel.
type Shape string

// The shapes.
const (
	Sine     Shape = "sine"
	Walk     Shape = "walk"
	Counter  Shape = "counter"
	Switch   Shape = "switch"
	Output   Shape = "output"   // on or off, as commanded
	Setpoint Shape = "setpoint" // a number, as commanded
)

var kinds = map[Shape]drivers.Kind{
	Sine: drivers.Gauge, Walk: drivers.Gauge, Counter: drivers.Total,
	Switch: drivers.State, Output: drivers.State, Setpoint: drivers.State,
}

// UnmarshalText takes one of the shapes.
func (s *Shape) UnmarshalText(text []byte) error {
	shape := Shape(text)
	if _, ok := kinds[shape]; !ok {
		names := []string{string(Sine), string(Walk), string(Counter), string(Switch), string(Output), string(Setpoint)}
		return fmt.Errorf("found %q, expected one of %s", text, strings.Join(names, ", "))
	}
	*s = shape
	return nil
}
