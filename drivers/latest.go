package drivers

import (
	"strings"
	"sync"
	"time"
)

// Latest keeps the newest readings of channels that other devices compute with: the
// humidity that a gas sensor compensates for. It keeps those that somebody asked for, and
// nothing over a restart. A nil Latest has none.
type Latest struct {
	mu    sync.Mutex
	known map[string]Reading // by "device/channel"; not valid until one came
}

// Put hands over a reading as it is published.
func (l *Latest) Put(device string, r Reading) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known) == 0 {
		return
	}
	if key := device + "/" + r.Channel; r.Value.Valid() {
		if _, asked := l.known[key]; asked {
			l.known[key] = r
		}
	}
}

// Get returns the newest reading of "device/channel" that is not older than age. From the
// first call on the channel is kept.
func (l *Latest) Get(channel string, age time.Duration) (Reading, bool) {
	if l == nil {
		return Reading{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil {
		l.known = map[string]Reading{}
	}
	r := l.known[channel]
	l.known[channel] = r
	return r, r.Value.Valid() && time.Since(r.Time) <= age
}

// ChannelName is an option that names a channel of another device: "attic/humidity".
type ChannelName string

// UnmarshalText checks the form.
func (c *ChannelName) UnmarshalText(b []byte) error {
	device, channel, ok := strings.Cut(string(b), "/")
	if !ok || device == "" || channel == "" || strings.Contains(channel, "/") {
		return &KeyError{Key: "", Problem: "found " + string(b), Expected: "device/channel", Try: `"attic/humidity"`}
	}
	*c = ChannelName(b)
	return nil
}
