package mapping

import (
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/mqtt"
)

// Device says how one device's readings become messages. It is plain data, filled
// by the configuration.
type Device struct {
	Name, Node, Bus, Model, Class string
	Topic                         string  // template of its channels' topics
	Payload                       Payload // default of its channels
	Together                      bool    // publish = "device": one message for all channels of a poll
	Channels                      []Channel
}

// Channel says the same for one channel. A channel that a driver gives and the file
// does not name has only defaults.
type Channel struct {
	Name, Unit string
	Kind       drivers.Kind
	Writable   bool
	Topic      string // template; "" is the device's
	Payload    Payload
	QoS        byte
	Retain     bool
	Filters    Filters
}

// Payload is "json", "plain" or a template with {value} {unit} {time} ….
type Payload string

// Filters of one channel, applied in the order of the fields.
type Filters struct {
	When     map[string]string // other channel of the same poll = value it must have
	Scale    float64           // 0 is 1
	Offset   float64
	Points   [][2]float64 // multi-point calibration, ascending in x
	Clamp    *[2]float64
	Median   int           // window, odd, 0 off
	Average  int           // window, 0 off
	Every    time.Duration // throttle: at most one per interval
	Deadband float64
	AtLeast  time.Duration // repeat an unchanged value after this long
	Digits   *int
}

// Mapper holds the filters' memory of one device. It is used by one goroutine.
type Mapper struct {
	dev Device
}

// New makes a mapper. d has passed the configuration's checks.
func New(d Device) *Mapper { return &Mapper{dev: d} }

// Messages gives what is to be published for readings of one poll or report, and
// remembers what the filters need. synced says whether the wall clock can be trusted.
func (m *Mapper) Messages(rs []drivers.Reading, synced bool) []mqtt.Message {
	panic("not yet")
}
