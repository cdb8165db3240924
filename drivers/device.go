package drivers

import (
	"context"
	"errors"
	"time"
)

// A device has one or more of these abilities; if it is also an io.Closer it is
// closed before it is opened again and at the end.
type (
	// Poller is asked at an interval. Poll must return soon after ctx ends. It may
	// return readings together with an error when only some channels failed.
	Poller interface {
		Poll(context.Context) ([]Reading, error)
	}

	// Watcher is for hardware that speaks first, and for devices with a schedule of
	// their own. Watch blocks until ctx ends or the device is lost, which is an error.
	// It calls report from its own goroutine only: with a reading, or with an error and
	// no reading when something was wrong but the device goes on (a garbled frame, a
	// register refused). report does not block for long.
	Watcher interface {
		Watch(ctx context.Context, report Report) error
	}

	// Commander takes commands. Command returns when the wanted state is reached, with nil,
	// or with the reason why not: an error that wraps ErrRefused for what it will not do. It may be
	// called while Poll or Watch runs.
	Commander interface {
		Command(context.Context, Command) error
	}
)

// Report is how a Watcher hands over what it sees: r, or err. Neither, the zero Reading and
// nil, is that the device has answered and has nothing new.
type Report func(r Reading, err error)

// Command names an end state ("on"), never a change ("toggle"): QoS 1 may deliver it twice.
type Command struct {
	Device, Channel string
	ID              string // comes back with the answer; "" if the sender sent none
	Payload         []byte
	Expires         time.Time // a relay must not execute yesterday's command; zero: never
}

// Errors that Runner and the gateway distinguish. Wrap them.
var (
	// ErrAbsent: the thing is not plugged in. Looking again costs nothing, so it is looked
	// for every second, forever.
	ErrAbsent = errors.New("not there")
	// ErrNoAnswer: it was asked and did not answer in time.
	ErrNoAnswer = errors.New("no answer")
	// ErrRefused: the device understood the command and will not do it.
	ErrRefused = errors.New("refused")
	// ErrMissing, of a channel: this device does not have it, and says so. That is no fault.
	ErrMissing = errors.New("this device does not have it")
	// ErrNoCommands: the device takes none, or not on that channel.
	ErrNoCommands = errors.New("takes no commands")
)

// Driver is one entry in the table of supported hardware.
type Driver struct {
	Name    string // in the configuration: driver = "bme280"
	Summary string // one line for people: "Bosch BME280: temperature, pressure, humidity"

	// Every is the default interval of a Poller; 0 for hardware that speaks first.
	Every time.Duration

	// Options makes a pointer to a struct with the driver's own keys and their defaults;
	// nil: it has none. Fields carry `toml:"key"` and `doc:"one line"` tags, and
	// `required:"true"` where there is no default. Field types: bool, integers, float64,
	// string, time.Duration, anything with UnmarshalText (from a string), slices, maps,
	// structs and pointers to them; embedded structs are flattened. The struct may have
	// methods of Checker, Claimer and Outputter.
	Options func() any

	// ChannelOptions is the same for one entry of [device.NAME.channels]. Non-nil means
	// that the user names the channels (register maps, frame fields); nil that the
	// driver knows them and the user only refines them. A key that is here and also one
	// that every channel has (scale, offset) is the driver's alone: the mapping does not
	// see it, or the value would be scaled twice. Outputs of a channel's options returns
	// one Channel without a name: whether this channel is writable, and its kind.
	ChannelOptions func() any

	// Channels are what the driver measures when ChannelOptions is nil.
	Channels []Channel

	// Example decodes the example that the options may hold: what the device sends, as the
	// user noted it down. It opens nothing. nil: the driver knows no examples; no readings
	// and no error: none was given.
	Example func(s DeviceConfig) ([]Reading, error)

	// Simulate makes a device that answers or speaks as one with these options and channels
	// would. It opens nothing. nil: the driver cannot.
	Simulate func(s DeviceConfig) (Simulation, error)

	// Open makes a device. It may touch the hardware. An error means: try again later.
	Open func(ctx context.Context, s DeviceConfig) (any, error)
}

// Channel describes one quantity of a device.
type Channel struct {
	Name     string
	Unit     string
	Kind     Kind
	Writable bool // takes commands on …/set
	Optional bool // few devices of the driver have it: that it never comes is no news

	// The plausible range of its numbers, in Unit: what is outside is a fault, never a
	// reading (see Range). HasRange is needed only where both limits are 0.
	Min, Max float64
	HasRange bool

	// Values are all that a State or an Event can be, where that is known: of two the first
	// is what counts as on. "true" and "false" are booleans, everything else is text.
	Values []string

	// Text: its values are texts of which nobody can say what they will be.
	Text bool
}

// Booleans are the Values of what is true or false.
func Booleans() []string { return []string{"true", "false"} }

// Kind says how the values of a channel behave.
type Kind uint8

const (
	Gauge Kind = iota // goes up and down: temperature, power
	Total             // only grows, but for resets: energy, pulses
	State             // one of few values: open, on; retained by default
	Event             // happens: a button, a lightning stroke; never retained
)

// Options of a driver and of a channel may have these methods.
type (
	// Checker looks at options as a whole after they were decoded. It opens nothing.
	// It returns a *KeyError, or several joined, where a key is to blame.
	Checker interface{ Check() error }

	// Claimer names what the device occupies, so that one pin or address used twice, and a
	// bus that nobody uses, is found when the file is read.
	Claimer interface{ Claims() []Claim }

	// Outputter names the channels that follow from the options, such as the named groups
	// of a regular expression. An open device may have it too, for ranges that it knows
	// only then.
	Outputter interface{ Outputs() []Channel }
)

// Claim is one thing of which there is one.
type Claim struct {
	Kind   string // "gpio", "i2c", "serial", "bus"
	ID     string // "GPIO17", "1:0x76", "/dev/ttyUSB0", "meters"
	Key    string // the option that says so
	Shared bool   // others may claim it too: a bus
}

// KeyError is a fault in one option. The configuration adds the place in the file.
type KeyError struct {
	Key      string // relative to the device: "match", "channels.power.input"
	Problem  string // "found the number 5, expected a duration"
	Try      string // what to type instead; may be empty
	Expected string // may be empty
}

func (e *KeyError) Error() string {
	s := e.Key + ": " + e.Problem
	if e.Try != "" {
		s += " (try " + e.Try + ")"
	}
	return s
}

// DeviceConfig is what a driver gets to open one device.
type DeviceConfig struct {
	Device   string
	Options  any             // what Driver.Options made, decoded and checked
	Channels []ChannelConfig // the user's channels, in the order of the file
	Every    time.Duration   // the device's interval
	Store    Store           // never nil
	Latest   *Latest         // what other devices measure; nil in tools: nothing

	// Unlisted is called for what the device sends and no channel takes; Channel of the
	// reading is what to write in the file to have it, such as obis = "1-0:96.1.0". nil,
	// as always but in tools that look at a device: nobody asks.
	Unlisted func(Reading)
}

// ChannelConfig is one entry of [device.NAME.channels].
type ChannelConfig struct {
	Name, Unit string
	Every      time.Duration // 0: the device's
	Options    any           // what Driver.ChannelOptions made, or nil

	// Min and Max are the user's limits to the plausible range, where the driver has no
	// keys of its own for them; nil: none. The Runner keeps them.
	Min, Max *float64
}

// Store keeps a little state of one device over restarts and power cuts: a pulse
// total, a gas sensor's baseline. A value may be older than the last Save by at most
// journal.commit when the power was cut.
type Store interface {
	Load(key string) (value []byte, ok bool)
	Save(key string, value []byte)
}
