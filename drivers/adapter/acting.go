package adapter

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sensorgate/drivers"
)

// Action does what a command on a channel asks for. What it will not do wraps
// drivers.ErrRefused; any other error has the chip opened again.
type Action func(context.Context, drivers.Command) error

// acting is a Device with channels that are only written.
type acting struct {
	Device
	actions map[string]Action
}

// Pressed is the channel of an Action that takes no value: "on" has it done, see On.
func Pressed(name string) drivers.Channel {
	return drivers.Channel{Name: name, Kind: drivers.Event, Writable: true, Values: []string{"on"}}
}

// Acting makes a Device take commands on the channels named; see Commanded.
func Acting(d Device, actions map[string]Action) Device { return acting{d, actions} }

// Commanded is the channel of an Action. It has no readings: as an event, it is not missed.
func Commanded(name, unit string, lo, hi float64) drivers.Channel {
	return drivers.Channel{Name: name, Unit: unit, Kind: drivers.Event, Writable: true, Min: lo, Max: hi}
}

// Command implements Commander.
func (a acting) Command(ctx context.Context, c drivers.Command) error {
	do, ok := a.actions[c.Channel]
	if !ok {
		return fmt.Errorf("%s: %w (try: %s)", c.Channel, drivers.ErrNoCommands, strings.Join(slices.Sorted(maps.Keys(a.actions)), ", "))
	}
	return do(ctx, c)
}

// Close implements Commander: nothing is left on.
func (a acting) Close(context.Context) error { return nil }

// On is an Action that is done for "on" and takes nothing else.
func On(do func(context.Context) error) Action {
	return func(ctx context.Context, c drivers.Command) error {
		on, err := c.Bool()
		if err == nil && !on {
			err = fmt.Errorf("%w: it ends by itself; the only command is on", drivers.ErrRefused)
		}
		if err != nil {
			return err
		}
		return do(ctx)
	}
}

// Within is an Action that takes a number from lo to hi.
func Within(lo, hi float64, unit string, do func(context.Context, float64) error) Action {
	return func(ctx context.Context, c drivers.Command) error {
		v, err := c.Number()
		if err == nil && (v < lo || v > hi) {
			err = fmt.Errorf("%w: found %g, expected %g to %g %s", drivers.ErrRefused, v, lo, hi, unit)
		}
		if err != nil {
			return err
		}
		return do(ctx, v)
	}
}
