package gateway

import (
	"sensorgate/drivers"
	"sensorgate/internal/mapping"
	"sensorgate/internal/mqtt"
)

// An observer takes what devices publish: history, events, the gateway's own state. Its
// methods are called on the device's own goroutine, in the order of what happened, and
// must neither block nor keep rs.
type observer interface {
	// published is called with the readings that go into messages now, after all filters.
	published(device string, rs []mapping.Sample)

	// condition is called with each change of a device's or a channel's state that goes to
	// the device's status topic.
	condition(device string, h drivers.Health)

	// sent is called with each message of a device, when the broker has it.
	sent(device string, m *mqtt.Message)
}

// observers are all that are to be called. The list is complete before the first device
// starts.
type observers []observer

func (os observers) published(device string, rs []mapping.Sample) {
	for _, o := range os {
		o.published(device, rs)
	}
}

func (os observers) condition(device string, h drivers.Health) {
	for _, o := range os {
		o.condition(device, h)
	}
}

func (os observers) sent(device string, m *mqtt.Message) {
	for _, o := range os {
		o.sent(device, m)
	}
}

// stateObserver publishes {node}/gateway/state soon after a device's change.
type stateObserver struct{ g *Gateway }

func (stateObserver) published(string, []mapping.Sample) {}

func (stateObserver) sent(string, *mqtt.Message) {}

func (o stateObserver) condition(string, drivers.Health) { o.g.deviceChanged() }
