package gateway

import (
	"slices"
	"sync"

	"sensorgate/drivers"
)

// maxBatches bounds what one device may have under way to the broker. More than
// this is there only when the broker cannot take it (a full journal that refuses).
const maxBatches = 256

// outbox lies between a device and the broker. If the broker is slow the device
// goes on: the oldest readings give way to the newest, and are counted.
type outbox struct {
	wake chan struct{} // has a value when there is something

	mu      sync.Mutex
	batches [][]drivers.Reading // each from one poll or report
	health  *drivers.Health     // newest that was not taken yet
	taken   uint64              // readings
	dropped uint64              // readings
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

// Readings implements drivers.Sink.
func (o *outbox) Readings(rs []drivers.Reading) {
	rs = slices.Clone(rs) // a driver may use its slice again
	o.mu.Lock()
	o.taken += uint64(len(rs))
	if len(o.batches) >= maxBatches {
		o.dropped += uint64(len(o.batches[0]))
		o.batches = o.batches[1:]
	}
	o.batches = append(o.batches, rs)
	o.mu.Unlock()
	o.signal()
}

// Health implements drivers.Sink.
func (o *outbox) Health(_ string, h drivers.Health) {
	o.mu.Lock()
	o.health = &h
	o.mu.Unlock()
	o.signal()
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take empties the outbox.
func (o *outbox) take() (batches [][]drivers.Reading, h *drivers.Health) {
	o.mu.Lock()
	defer o.mu.Unlock()
	batches, h = o.batches, o.health
	o.batches, o.health = nil, nil
	return batches, h
}

func (o *outbox) counts() (taken, dropped uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.taken, o.dropped
}
