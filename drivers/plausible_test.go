package drivers

import (
	"errors"
	"math"
	"testing"
)

func TestPlausibleRanges(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		name  string
		c     Channel
		v     Value
		wrong string
	}{
		{"no range", Channel{}, Number(1e12), ""},
		{"inside", Channel{Min: -55, Max: 125}, Number(-55), ""},
		{"above", Channel{Min: -55, Max: 125}, Number(127.937), "127.937 is outside the plausible range -55 to 125"},
		{"below", Channel{Min: 5, Max: 30}, Number(0.7), "0.7 is outside the plausible range 5 to 30"},
		{"a range up to 0", Channel{Min: -10, Max: 0}, Number(0.5), "0.5 is outside the plausible range -10 to 0"},
		{"only 0", Channel{HasRange: true}, Number(1), "1 is outside the plausible range 0 to 0"},
		{"no upper limit", Channel{Min: 0, Max: inf}, Number(1e12), ""},
		{"no upper limit, below", Channel{Min: 0, Max: inf}, Number(-1), "-1 is outside the plausible range from 0"},
		{"no lower limit, above", Channel{Min: -inf, Max: 9}, Number(10), "10 is outside the plausible range up to 9"},
		{"a state has none", Channel{Min: 1, Max: 2}, Text("open"), ""},
		{"no value has none", Channel{Min: 1, Max: 2}, Value{}, ""},
	} {
		err := c.c.Plausible(c.v)
		if c.wrong == "" && err != nil || c.wrong != "" && (err == nil || err.Error() != c.wrong || !errors.Is(err, ErrImplausible)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.wrong)
		}
	}
}

// declaring is options, or a device, that declares ranges.
type declaring []Channel

func (d declaring) Outputs() []Channel { return d }

func TestRangesAreCollectedFromAllWhoDeclareThem(t *testing.T) {
	d := Driver{Channels: []Channel{{Name: "temperature", Min: -55, Max: 125}, {Name: "humidity", Min: 0, Max: 100}}}
	config := DeviceConfig{
		Options: declaring{{Name: "temperature", Min: -270, Max: 1372}}, // of this family
		Channels: []ChannelConfig{
			{Name: "boiler", Options: declaring{{Min: 5, Max: 95}}},
			{Name: "free", Options: declaring{{Unit: "V"}}},
			{Name: "plain"},
		},
	}
	ranges := RangesOf(d, config, declaring{{Name: "plain", Min: 0, Max: 1}})
	for channel, values := range map[string][2]float64{ // a plausible one, one that is not
		"temperature": {1000, 1400}, "humidity": {99, 101}, "boiler": {60, 2}, "plain": {1, 2},
	} {
		if err := ranges.Check(Reading{Channel: channel, Value: Number(values[0])}); err != nil {
			t.Errorf("%s of %v: %v", channel, values[0], err)
		}
		if err := ranges.Check(Reading{Channel: channel, Value: Number(values[1])}); !errors.Is(err, ErrImplausible) {
			t.Errorf("%s of %v: got %v, want that it is implausible", channel, values[1], err)
		}
	}
	for _, channel := range []string{"free", "unheard of"} {
		if err := ranges.Check(Reading{Channel: channel, Value: Number(1e9)}); err != nil {
			t.Errorf("%s has no range: %v", channel, err)
		}
	}
}

// The user's limits hold for every driver. They make a range smaller; what a chip cannot
// measure stays impossible.
func TestLimitsOfTheUserMakeARangeSmaller(t *testing.T) {
	ten, thousand := 10.0, 1000.0
	ranges := RangesOf(Driver{Channels: []Channel{{Name: "temperature", Min: -55, Max: 125}}}, DeviceConfig{Channels: []ChannelConfig{
		{Name: "temperature", Min: &ten, Max: &thousand}, {Name: "level", Max: &ten}, {Name: "free"},
	}}, nil)
	for _, c := range []struct {
		channel string
		value   float64
		want    string
	}{
		{"temperature", 20, ""},
		{"temperature", 9, "temperature: 9 is outside the plausible range 10 to 125"},
		{"temperature", 126, "temperature: 126 is outside the plausible range 10 to 125"},
		{"level", -1e9, ""},
		{"level", 11, "level: 11 is outside the plausible range up to 10"},
		{"free", 1e9, ""},
	} {
		got := ""
		if err := ranges.Check(Reading{Channel: c.channel, Value: Number(c.value)}); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s %v: %q, want %q", c.channel, c.value, got, c.want)
		}
	}
}
