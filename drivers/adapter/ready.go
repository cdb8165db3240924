package adapter

import (
	"context"
	"errors"
	"time"

	"sensorgate/drivers"
)

// silentAfter is how many measurements in a row without an edge are no chance.
const silentAfter = 2

var errSilent = errors.New("it measures, but its data-ready line has no edges (wired to this chip?); asked at the interval instead")

// watchReady has a chip that measures on its own asked at its edge, once an interval: for
// the measurement that ends next, whatever lay there before.
func (i interrupted) watchReady(ctx context.Context, line drivers.Interrupt, report drivers.Report) error {
	wait, silent := netFactor*i.every, 0
	for due := time.Now(); drivers.Sleep(ctx, time.Until(due)); {
		if err := i.forget(ctx, line); err != nil {
			return err
		}
		got, err := i.next(ctx, line, report, wait)
		if err != nil {
			return err
		}
		if due = due.Add(i.every); time.Now().After(due) { // as after a wait for the net
			due = time.Now().Add(i.every)
		}
		if silent++; got.edge || got.failed {
			silent = 0
		}
		wait = netFactor * i.every
		switch {
		case got.held:
			report(drivers.Reading{}, errHeld)
			wait = i.every
		case silent >= silentAfter:
			report(drivers.Reading{}, errSilent)
			wait = i.every
		case got.failed: // it is opened again, for which no edge comes
			wait = i.every
		}
	}
	return ctx.Err()
}

// forget has the chip release its line: what it measured before may be as old as the interval.
func (i interrupted) forget(ctx context.Context, line drivers.Interrupt) error {
	if _, err := line.Wait(ctx, time.Now()); err != nil {
		return err
	}
	active, err := line.Active()
	if err != nil || !active {
		return err
	}
	_, _ = i.chip.Poll(ctx) // an error of which comes again, to be reported, with the next
	return ctx.Err()
}

// readied is how a measurement came: at an edge, or without one, from a line that stays active,
// or not at all.
type readied struct{ edge, held, failed bool }

// next reports the measurement that ends next, or what there is after so long without an edge.
func (i interrupted) next(ctx context.Context, line drivers.Interrupt, report drivers.Report, wait time.Duration) (r readied, err error) {
	for until := time.Now().Add(wait); ; {
		if r.edge, err = line.Wait(ctx, until); err != nil {
			return r, err
		}
		if r.edge && !drivers.Sleep(ctx, i.line.Settle) {
			return r, ctx.Err()
		}
		some, err := i.ask(ctx, report)
		switch {
		case ctx.Err() != nil:
			return r, ctx.Err()
		case err != nil && !some:
			r.failed = true
			return r, nil
		case some && r.edge:
			return r, nil
		case !r.edge:
			r.held, err = line.Active()
			return r, err
		}
	}
}

// ask asks the chip once and reports what it says; some is that there was a reading.
func (i interrupted) ask(ctx context.Context, report drivers.Report) (some bool, err error) {
	rs, err := i.chip.Poll(ctx)
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err != nil:
		report(drivers.Reading{}, err)
	case len(rs) == 0: // it has answered
		report(drivers.Reading{}, nil)
	}
	for _, r := range rs {
		report(r, nil)
	}
	return len(rs) > 0, err
}
