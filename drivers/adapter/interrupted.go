package adapter

import (
	"context"
	"errors"
	"time"

	"sensorgate/drivers"
)

// Interrupted is how a chip is asked that has a line for it.
type Interrupted struct {
	Open func() (drivers.Interrupt, error)
	// Settle is how long after an edge the chip wants to be left alone.
	Settle time.Duration
	// Ready is that the line says that a measurement is there, of a chip that measures on its own.
	Ready bool
}

const (
	// netFactor: without an edge a chip is asked all the same every so many intervals, in case
	// an edge was missed, the wire is broken, or the chip was reset.
	netFactor = 10
	// burst is how often in a row a chip is asked whose line stays active.
	burst = 8
)

var errHeld = errors.New("its interrupt line stays active (wired to this chip? another chip on it? a short?); asked at the interval instead")

// interrupted asks its chip when its line has an edge, and now and then without one.
type interrupted struct {
	chip  *adapter
	line  Interrupted
	every time.Duration
}

// interruptedCommander is one whose chip takes commands.
type interruptedCommander struct {
	interrupted
	commands commanding
}

// Command implements drivers.Commander.
func (i interruptedCommander) Command(ctx context.Context, c drivers.Command) error {
	return i.commands.Command(ctx, c)
}

// Close implements io.Closer.
func (i interruptedCommander) Close() error { return i.commands.Close() }

// Watch implements drivers.Watcher. Edges that come while the chip is asked are one: it
// tells all that it has.
func (i interrupted) Watch(ctx context.Context, report drivers.Report) error {
	line, err := i.line.Open()
	if err != nil {
		return err
	}
	defer line.Close()
	if i.line.Ready {
		return i.watchReady(ctx, line, report)
	}
	pause := netFactor * i.every
	for {
		held, failed, err := i.drain(ctx, line, report)
		if err != nil {
			return err
		}
		next := pause
		if held {
			report(drivers.Reading{}, errHeld)
		}
		if held || failed {
			next = i.every
		}
		fired, err := line.Wait(ctx, time.Now().Add(next))
		if err != nil {
			return err
		}
		if fired && !drivers.Sleep(ctx, i.line.Settle) {
			return ctx.Err()
		}
		// A line that chatters, or that a chip moves when it is opened again, is no reason to ask
		// without end.
		if fired && (held || failed) && !drivers.Sleep(ctx, i.every) {
			return ctx.Err()
		}
	}
}

// drain asks the chip until it has no more to tell. held is that its line stays active,
// failed that it had an error and no reading.
func (i interrupted) drain(ctx context.Context, line drivers.Interrupt, report drivers.Report) (held, failed bool, err error) {
	for range burst {
		some, err := i.ask(ctx, report)
		if ctx.Err() != nil {
			return false, false, ctx.Err()
		}
		if err != nil && !some {
			return false, true, nil
		}
		active, err := line.Active()
		if err != nil || !active {
			return false, false, err
		}
		if !drivers.Sleep(ctx, i.line.Settle) {
			return false, false, ctx.Err()
		}
	}
	return true, false, nil
}
