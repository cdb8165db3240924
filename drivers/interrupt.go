package drivers

import (
	"context"
	"time"
)

// Interrupt is the line on which a chip says that it has something to tell. It belongs to
// whoever opened it.
type Interrupt interface {
	// Wait returns true at the next edge to active, and false at the given time. An edge that
	// came since the last call counts.
	Wait(ctx context.Context, until time.Time) (bool, error)
	// Active returns the line's level: whether the chip still has something to tell.
	Active() (bool, error)
	Close() error
}

// InterruptOpener opens the line called line for a device. high is that it is active when
// its level is high.
type InterruptOpener func(device, line string, high bool) (Interrupt, error)
