package gpio

import (
	"errors"
	"fmt"
	"time"

	"sensorgate/drivers"
)

type outputOptions struct {
	LineOptions
	Active        Active        `toml:"active" example:"\"low\"" doc:"The level that switches it on: high (default) or low (most relay boards)."`
	Drive         Drive         `toml:"drive" example:"\"open-drain\"" doc:"How the line is driven: push-pull (default), open-drain or open-source."`
	Class         OutputClass   `toml:"class" doc:"What is on the line, which decides the words of the states: switch (default), relay, light, pump, fan, heater, siren, valve, lock."`
	Start         string        `toml:"start" example:"\"last\"" doc:"The state at start: off, on, last (as commanded before) or keep (the line stays as it is)."`
	Exit          string        `toml:"exit" example:"\"off\"" doc:"The state when the gateway stops: off, on or keep; default: as start if that is off or on, otherwise keep."`
	Failsafe      *Failsafe     `toml:"failsafe" example:"{ after = \"10m\", state = \"off\" }" doc:"The state to take when nobody has sent a command for some time."`
	MaxOn         time.Duration `toml:"max_on" doc:"It is switched off after so long, whatever is commanded; another on does not extend it."`
	MinOn         time.Duration `toml:"min_on" doc:"Switching off is refused until it was on for so long."`
	MinOff        time.Duration `toml:"min_off" doc:"Switching on is refused until it was off for so long, also after the start (for compressors)."`
	Interlock     string        `toml:"interlock" example:"\"blinds\"" doc:"The name of a group of outputs of which at most one is on at a time."`
	InterlockWait time.Duration `toml:"interlock_wait" doc:"The pause between one output of the group going off and another going on."`
}

// Failsafe is what an output does when its controller is silent.
type Failsafe struct {
	After time.Duration `toml:"after" required:"true" doc:"How long there must be no command."`
	State string        `toml:"state" required:"true" example:"\"off\"" doc:"The state to take: off or on."`
}

// The longest a command waits for interlock_wait. A later command for the same output
// may wait behind it.
const maxInterlockWait = 5 * time.Second

// Check finds words that the class does not know and rules that contradict.
func (o *outputOptions) Check() error {
	var errs []error
	bad := func(key, problem, try string) {
		errs = append(errs, &drivers.KeyError{Key: key, Problem: problem, Try: try})
	}
	if _, err := o.start(); err != nil {
		bad("start", fmt.Sprintf("found %q, expected off, on, last or keep", o.Start), `start = "off"`)
	}
	if _, err := o.exit(); err != nil {
		bad("exit", fmt.Sprintf("found %q, expected off, on or keep", o.Exit), `exit = "off"`)
	}
	for key, d := range map[string]time.Duration{"max_on": o.MaxOn, "min_on": o.MinOn, "min_off": o.MinOff, "interlock_wait": o.InterlockWait} {
		if d < 0 {
			bad(key, "is negative", "")
		}
	}
	if o.MaxOn > 0 && o.MinOn > o.MaxOn {
		bad("min_on", fmt.Sprintf("%v is longer than max_on, %v", o.MinOn, o.MaxOn), "")
	}
	if f := o.Failsafe; f != nil {
		if _, err := o.Class.parse([]byte(f.State)); err != nil {
			bad("failsafe.state", fmt.Sprintf("found %q, expected off or on", f.State), `state = "off"`)
		}
		if f.After <= 0 {
			bad("failsafe.after", "must be longer than nothing", `after = "2m"`)
		}
	}
	o.checkInterlock(bad)
	return errors.Join(errs...)
}

// checkInterlock: only commands may switch an output of a group on, because only a
// command can be refused.
func (o *outputOptions) checkInterlock(bad func(key, problem, try string)) {
	if o.Interlock == "" {
		if o.InterlockWait != 0 {
			bad("interlock_wait", "does nothing without interlock", "")
		}
		return
	}
	if s, err := o.start(); err == nil && s != (state{}) {
		bad("start", fmt.Sprintf("%q with an interlock could switch two on at once", o.Start), `start = "off"`)
	}
	if e, err := o.exit(); err == nil && e != (state{}) {
		bad("exit", fmt.Sprintf("%q with an interlock could leave one on that nobody knows of", o.Exit), `exit = "off"`)
	}
	if f := o.Failsafe; f != nil {
		if on, err := o.Class.parse([]byte(f.State)); err == nil && on {
			bad("failsafe.state", fmt.Sprintf("%q with an interlock could switch two on at once", f.State), `state = "off"`)
		}
	}
	if o.InterlockWait > maxInterlockWait {
		bad("interlock_wait", fmt.Sprintf("%v is longer than a command may take", o.InterlockWait), `interlock_wait = "500ms"`)
	}
}

// state is what start and exit can say. The zero value is off.
type state struct {
	on, keep, last bool
}

func (o *outputOptions) start() (state, error) {
	if o.Start == "last" {
		return state{last: true}, nil
	}
	return o.offOnKeep(o.Start)
}

func (o *outputOptions) exit() (state, error) {
	if o.Exit != "" {
		return o.offOnKeep(o.Exit)
	}
	s, err := o.start()
	if s.last || s.keep || err != nil { // an error of start is reported once, at start
		return state{keep: true}, nil
	}
	return s, nil
}

func (o *outputOptions) offOnKeep(word string) (state, error) {
	if word == "keep" {
		return state{keep: true}, nil
	}
	on, err := o.Class.parse([]byte(word))
	return state{on: on}, err
}

// Outputs: the state takes commands.
func (o *outputOptions) Outputs() []drivers.Channel {
	return []drivers.Channel{{Name: "state", Kind: o.Class.kind, Writable: true, Values: o.Class.words()}}
}
