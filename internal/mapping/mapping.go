package mapping

import (
	"time"

	"sensorgate/drivers"
)

// Device describes how one device's readings become messages. It is plain data, filled
// by the configuration.
type Device struct {
	Name, Node, Bus, Model, Class string
	TopicTemplate                 string  // of its channels' topics
	Payload                       Payload // default of its channels
	PerDevice                     bool    // publish = "device": one message for all channels of a poll
	QoS                           byte    // of that one message, and of channels that the file does not name
	Retain                        bool    // of that one message
	Channels                      []Channel
}

// Channel describes the same for one channel. A channel that a driver reports and the file
// does not name has only defaults.
type Channel struct {
	Name, Unit    string
	Kind          drivers.Kind
	Writable      bool
	Unkept        bool   // its values are not for the history
	TopicTemplate string // "" is the device's
	Payload       Payload
	QoS           byte
	Retain        bool
	Filters       Filters
}

// Payload is "json", "plain" or a template with {value} {unit} {time} ….
type Payload string

// The payloads that have a name.
const (
	JSON  Payload = "json"
	Plain Payload = "plain"
)

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

// channel finds a channel by its name.
func (d *Device) channel(name string) (*Channel, bool) {
	for i := range d.Channels {
		if d.Channels[i].Name == name {
			return &d.Channels[i], true
		}
	}
	return nil, false
}
