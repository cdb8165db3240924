package drivers

import "time"

// repeatEvery is how often the same trouble of a wire is reported.
const repeatEvery = time.Minute

// RepeatFilter keeps noise on a wire from being reported with every frame: with good
// frames between, the device's condition would change back and forth each time. Faults
// of channels need none; the Runner counts their repeats. The zero RepeatFilter is
// ready. It is for one goroutine.
type RepeatFilter struct{ last map[string]time.Time }

// Due reports whether the trouble of that kind is due: it is the first, or the last one
// that was due is a minute old. There must be few kinds.
func (f *RepeatFilter) Due(kind string, now time.Time) bool {
	if last, ok := f.last[kind]; ok && now.Sub(last) < repeatEvery {
		return false
	}
	if f.last == nil {
		f.last = map[string]time.Time{}
	}
	f.last[kind] = now
	return true
}
