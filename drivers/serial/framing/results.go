package framing

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
)

// Decoder takes the values out of one frame.
type Decoder interface {
	// Decode puts what it finds into r. It must not keep frame.
	Decode(frame []byte, r *Results)
}

// Results collects what was found in a frame. The zero Results is ready; Reset it
// before each frame.
type Results struct {
	At       time.Time // when the frame's first byte came
	Readings []drivers.Reading
	Faults   []error // of single channels, and of the frame as a whole

	// Others is what the frame has and no channel takes. Channel is what to write in the
	// file to have it: obis = "1-0:96.1.0".
	Others []drivers.Reading
}

// maxOthers bounds what is kept of a frame that nobody asked for.
const maxOthers = 256

// Reset empties r for a frame that came at at. The slices are used again.
func (r *Results) Reset(at time.Time) {
	*r = Results{At: at, Readings: r.Readings[:0], Others: r.Others[:0]}
}

// Put adds a value, or the reason why there is none. A value that means "none"
// (field.ErrNone, NaN) is neither.
func (r *Results) Put(channel, unit string, v drivers.Value, err error) {
	switch {
	case errors.Is(err, field.ErrNone), err == nil && !v.Valid(): // a NaN is no value
	case err != nil:
		r.Faults = append(r.Faults, &drivers.ChannelError{Channel: channel, Err: err})
	default:
		r.Readings = append(r.Readings, drivers.Reading{Channel: channel, Unit: unit, Value: v, Time: r.At})
	}
}

// Reject adds a fault of the frame as a whole.
func (r *Results) Reject(err error) { r.Faults = append(r.Faults, err) }

// Other adds what no channel takes, under what the file must say to have it.
func (r *Results) Other(key, name, unit string, v drivers.Value) {
	if v.Valid() && len(r.Others) < maxOthers {
		r.Others = append(r.Others, drivers.Reading{Channel: fmt.Sprintf("%s = %q", key, name), Unit: unit, Value: v, Time: r.At})
	}
}

// NoChannel is the fault of a device that answers and has none of its channels in the
// answer, with what it has. It is nil if there is a reading or another fault.
func (r *Results) NoChannel() error {
	if len(r.Readings) > 0 || len(r.Faults) > 0 {
		return nil
	}
	const most = 6
	var has []string
	for _, o := range r.Others[:min(most, len(r.Others))] {
		has = append(has, fmt.Sprintf("%s (%.40s %s)", o.Channel, o.Value, o.Unit))
	}
	switch n := len(r.Others); {
	case n == 0:
		return errors.New("what comes is whole, but nothing is in it")
	case n > most:
		has = append(has, fmt.Sprintf("%d more", n-most))
	}
	return fmt.Errorf("what comes is whole, but none of this device's channels is in it; it has %s (try a channel with one of these)", strings.Join(has, ", "))
}

// Unlisted calls f, unless it is nil, for everything that no channel takes.
func (r *Results) Unlisted(f func(drivers.Reading)) {
	if f == nil {
		return
	}
	for _, o := range r.Others {
		f(o)
	}
}
