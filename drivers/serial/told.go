package serial

import "time"

// tellEvery is how often a fault of one channel is told while the others are fine.
const tellEvery = time.Minute

// Told keeps the fault of one channel from being told with every frame: the others
// being fine, the device's condition would change to and fro each time. The zero Told
// is ready. It grows with the number of channels, which the file bounds.
type Told struct{ last map[string]time.Time }

// Due reports whether a fault of the channel is to be told now.
func (t *Told) Due(channel string, now time.Time) bool {
	if last, ok := t.last[channel]; ok && now.Sub(last) < tellEvery {
		return false
	}
	if t.last == nil {
		t.last = map[string]time.Time{}
	}
	t.last[channel] = now
	return true
}

// channelError is the fault of one channel in a frame.
type channelError struct {
	channel string
	err     error
}

func (e *channelError) Error() string { return e.channel + ": " + e.err.Error() }

// Unwrap gives the fault.
func (e *channelError) Unwrap() error { return e.err }
