package framing

import (
	"errors"
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
}

// Reset empties r for a frame that came at at. The slices are used again.
func (r *Results) Reset(at time.Time) { *r = Results{At: at, Readings: r.Readings[:0]} }

// Put adds a value, or the reason why there is none. A value that means "none"
// (field.ErrNone, NaN) is neither.
func (r *Results) Put(channel, unit string, v drivers.Value, err error) {
	switch {
	case errors.Is(err, field.ErrNone), err == nil && !v.Valid(): // a NaN is no value
	case err != nil:
		r.Faults = append(r.Faults, &channelError{channel, err})
	default:
		r.Readings = append(r.Readings, drivers.Reading{Channel: channel, Unit: unit, Value: v, Time: r.At})
	}
}

// Reject adds a fault of the frame as a whole.
func (r *Results) Reject(err error) { r.Faults = append(r.Faults, err) }

// Due returns the faults to report now: all, if nothing else was in the frame; those of
// single channels as often as repeats lets them through.
func (r *Results) Due(repeats *drivers.RepeatFilter) []error {
	if len(r.Readings) == 0 {
		return r.Faults
	}
	var due []error
	for _, err := range r.Faults {
		var ce *channelError
		if !errors.As(err, &ce) || repeats.Due(ce.channel, r.At) {
			due = append(due, err)
		}
	}
	return due
}

// channelError is the fault of one channel in a frame.
type channelError struct {
	channel string
	err     error
}

func (e *channelError) Error() string { return e.channel + ": " + e.err.Error() }

// Unwrap returns the fault.
func (e *channelError) Unwrap() error { return e.err }
