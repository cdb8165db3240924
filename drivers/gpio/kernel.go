package gpio

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sensorgate/drivers"
)

// Kernel is what this package needs of the operating system. All methods may be
// called from any goroutine.
type Kernel interface {
	// Chips lists the chips that are there now.
	Chips() ([]ChipInfo, error)
	// Lines lists a chip's lines in the order of their offsets. chip is a ChipInfo.Name.
	Lines(chip string) ([]LineInfo, error)
	// Request takes a line; nobody else gets it until it is closed.
	Request(chip string, offset int, c Config) (Line, error)
	// Board returns the model as the device tree has it, "" if there is none.
	Board() string
}

// Line is a requested line. Wait is for one goroutine; the others may be called
// while it runs.
type Line interface {
	// Get returns the logical level, debounced if that was asked for.
	Get() (bool, error)
	// Set drives an output.
	Set(active bool) error
	// Wait returns the edges that wait in the kernel, oldest first, or blocks for the
	// first one until the given time or the end of ctx. It returns 0 and no error when
	// the time came first. The zero time is never; a past one only looks.
	Wait(ctx context.Context, until time.Time, buf []Event) (int, error)
	Close() error
}

// Event is one edge.
type Event struct {
	Rising bool          // inactive to active, after active-low was applied
	Seq    uint32        // counts the edges of this request from 1; a gap is what was lost
	Mono   time.Duration // CLOCK_MONOTONIC when the edge came: exact differences
	Time   time.Time     // the same moment for a Reading
}

// Config says how a line is wanted.
type Config struct {
	Consumer  string // shown to whoever wants the line too
	Output    bool
	Value     bool // of an output from the first moment on
	Keep      bool // an output keeps the level that the line has now; Value is not used
	ActiveLow bool
	Drive     Drive
	Pull      Pull
	Edges     Edges         // of an input
	Debounce  time.Duration // by the kernel; 0 is none
	Buffer    int           // events kept when nobody reads; the oldest are dropped
}

// ChipInfo names a chip.
type ChipInfo struct {
	Name  string `json:"name"`  // gpiochip0
	Label string `json:"label"` // pinctrl-bcm2711
	Lines int    `json:"lines"`
}

// LineInfo says what a line is used for.
type LineInfo struct {
	Offset    int    `json:"offset"`
	Name      string `json:"name,omitempty"` // "" if the board does not name it
	Consumer  string `json:"consumer,omitempty"`
	Used      bool   `json:"used"`
	Output    bool   `json:"output"`
	ActiveLow bool   `json:"active_low"`
}

// Errors of Kernel.Request that the drivers distinguish; wrapped with what was asked for.
var (
	ErrBusy        = errors.New("in use")
	ErrUnsupported = errors.New("not supported by this line")
)

// Edges are the changes that make an Event.
type Edges uint8

const (
	Rising  Edges = 1 << iota // inactive to active
	Falling                   // active to inactive
	Both    = Rising | Falling
)

// UnmarshalText reads the configuration's word.
func (e *Edges) UnmarshalText(b []byte) error {
	return choose(e, string(b), []choice[Edges]{{"rising", Rising}, {"falling", Falling}, {"both", Both}})
}

// Pull is the resistor inside the chip.
type Pull uint8

const (
	PullAsIs Pull = iota // leave it as the board set it up
	PullUp
	PullDown
	PullNone
)

// UnmarshalText reads the configuration's word.
func (p *Pull) UnmarshalText(b []byte) error {
	return choose(p, string(b), []choice[Pull]{{"up", PullUp}, {"down", PullDown}, {"none", PullNone}, {"as-is", PullAsIs}})
}

// Drive is how an output makes its levels.
type Drive uint8

const (
	PushPull   Drive = iota
	OpenDrain        // pulls down or releases
	OpenSource       // pulls up or releases
)

// UnmarshalText reads the configuration's word.
func (d *Drive) UnmarshalText(b []byte) error {
	return choose(d, string(b), []choice[Drive]{{"push-pull", PushPull}, {"open-drain", OpenDrain}, {"open-source", OpenSource}})
}

// Active is the electrical level that counts as active.
type Active uint8

const (
	ActiveHigh Active = iota
	ActiveLow
)

// UnmarshalText reads the configuration's word.
func (a *Active) UnmarshalText(b []byte) error {
	return choose(a, string(b), []choice[Active]{{"high", ActiveHigh}, {"low", ActiveLow}})
}

// choice is a word of the configuration and what it stands for.
type choice[T any] struct {
	word  string
	value T
}

func choose[T any](to *T, word string, cs []choice[T]) error {
	words := ""
	for i, c := range cs {
		if c.word == word {
			*to = c.value
			return nil
		}
		switch {
		case i == 0:
		case i == len(cs)-1:
			words += " or "
		default:
			words += ", "
		}
		words += c.word
	}
	return fmt.Errorf("found %q, expected %s", word, words)
}

// gone wraps the error of a line whose chip was removed, so that it is looked for
// every second.
func gone(err error) error { return fmt.Errorf("%w: %w", drivers.ErrAbsent, err) }
