package drivers

// OpenDrain is a GPIO line that is pulled low or released, and never driven high: for wires on
// which others pull too. It belongs to whoever opened it.
type OpenDrain interface {
	// Pull pulls the line low, or releases it.
	Pull(low bool) error
	// High returns the level of the wire; one that is released and low is pulled by another.
	High() (bool, error)
	// Close releases the line.
	Close() error
}

// OpenDrainOpener opens the line called line for a device, released.
type OpenDrainOpener func(device, line string) (OpenDrain, error)
