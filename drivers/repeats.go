package drivers

import "time"

// repeatEvery is how often a fault of one channel is reported while the others are fine.
const repeatEvery = time.Minute

// RepeatFilter keeps the fault of one channel from being reported with every frame: the
// others being fine, the device's condition would change back and forth each time. The
// zero RepeatFilter is ready. It grows with the number of channels, which the file
// bounds. It is for one goroutine.
type RepeatFilter struct{ last map[string]time.Time }

// Due reports whether a fault of the channel is due: it is the first, or the last one
// that was due is a minute old.
func (f *RepeatFilter) Due(channel string, now time.Time) bool {
	if last, ok := f.last[channel]; ok && now.Sub(last) < repeatEvery {
		return false
	}
	if f.last == nil {
		f.last = map[string]time.Time{}
	}
	f.last[channel] = now
	return true
}
