package drivers

import (
	"errors"
	"fmt"
	"math"
)

// ErrImplausible: the value cannot be right, so there is no reading.
var ErrImplausible = errors.New("outside the plausible range")

// Range returns the plausible range of the channel; ok is false if it has none. Without
// HasRange, Min and Max are a range unless both are 0. A side without a limit is ±Inf.
func (c Channel) Range() (lowest, highest float64, ok bool) {
	return c.Min, c.Max, c.HasRange || c.Min != 0 || c.Max != 0
}

// Plausible returns an error that wraps ErrImplausible for a number outside the range of
// the channel: "0.7 is outside the plausible range 5 to 30". Values that are no numbers
// have no range.
func (c Channel) Plausible(v Value) error {
	lowest, highest, ok := c.Range()
	n, isNumber := v.Number()
	if !ok || !isNumber {
		return nil
	}
	return InRange(n, lowest, highest)
}

// InRange returns an error that wraps ErrImplausible if n is not from lowest to highest,
// or no number at all. A side without a limit is ±Inf.
func InRange(n, lowest, highest float64) error {
	switch {
	case n >= lowest && n <= highest:
		return nil
	case math.IsInf(lowest, -1):
		return fmt.Errorf("%v is %w up to %v", n, ErrImplausible, highest)
	case math.IsInf(highest, 1):
		return fmt.Errorf("%v is %w from %v", n, ErrImplausible, lowest)
	}
	return fmt.Errorf("%v is %w %v to %v", n, ErrImplausible, lowest, highest)
}

// Ranges are the declared ranges of a device's channels, by their names.
type Ranges map[string]Channel

// RangesOf collects what is declared of a device's channels: by the driver, by the
// options, by the options of each channel, and by the open device itself if it is an
// Outputter; of one channel the later counts. The user's limits make it smaller. device may be nil.
func RangesOf(d Driver, config DeviceConfig, device any) Ranges {
	ranges := Ranges{}
	ranges.add("", d.Channels)
	ranges.addOutputs("", config.Options)
	for _, c := range config.Channels {
		ranges.addOutputs(c.Name, c.Options)
	}
	ranges.addOutputs("", device)
	for _, c := range config.Channels {
		ranges.narrow(c)
	}
	return ranges
}

// narrow adds the user's limits: they make a range smaller, never larger.
func (rs Ranges) narrow(c ChannelConfig) {
	if c.Min == nil && c.Max == nil {
		return
	}
	known := rs[c.Name]
	lowest, highest, ok := known.Range()
	if !ok {
		lowest, highest = math.Inf(-1), math.Inf(1)
	}
	if c.Min != nil {
		lowest = max(lowest, *c.Min)
	}
	if c.Max != nil {
		highest = min(highest, *c.Max)
	}
	known.Name, known.Min, known.Max, known.HasRange = c.Name, lowest, highest, true
	rs[c.Name] = known
}

func (rs Ranges) addOutputs(name string, of any) {
	if o, ok := of.(Outputter); ok {
		rs.add(name, o.Outputs())
	}
}

// add enters channels; name is that of those without one.
func (rs Ranges) add(name string, channels []Channel) {
	for _, c := range channels {
		if c.Name == "" {
			c.Name = name
		}
		if _, _, ok := c.Range(); ok && (name == "" || c.Name == name) {
			rs[c.Name] = c
		}
	}
}

// Check returns an error that wraps ErrImplausible and names the channel, if r is outside
// the range that is declared for its channel.
func (rs Ranges) Check(r Reading) error {
	c, ok := rs[r.Channel]
	if !ok {
		return nil
	}
	if err := c.Plausible(r.Value); err != nil {
		return fmt.Errorf("%s: %w", r.Channel, err)
	}
	return nil
}
