package framing

import (
	"bytes"
	"errors"
	"time"

	"sensorgate/drivers"
)

// spokenEvery is how often a simulated device speaks by itself.
const spokenEvery = time.Second

// simulateLines speaks the example of the file: what a line may look like only a regular
// expression knows, and the maker's own line is the best that there is.
func simulateLines(s drivers.DeviceConfig) (drivers.Simulation, error) {
	o := s.Options.(*LinesOptions)
	if o.Example == "" {
		return drivers.Simulation{}, errNoExample
	}
	values, err := linesExample(s)
	return spoken(o.Dialogue, []byte(o.Example+"\r\n"), values), err
}

// simulateFrames speaks the example of the file.
func simulateFrames(s drivers.DeviceConfig) (drivers.Simulation, error) {
	o := s.Options.(*FramesOptions)
	if len(o.Example) == 0 {
		return drivers.Simulation{}, errNoExample
	}
	values, err := framesExample(s)
	return spoken(o.Dialogue, o.Example, values), err
}

var errNoExample = errors.New("there is no example of what it sends (try: example = … in its file)")

// spoken is a device that sends the same telegram again and again, or when it is asked.
func spoken(d Dialogue, telegram []byte, values []drivers.Reading) drivers.Simulation {
	sim := drivers.Simulation{Values: func(time.Duration) []drivers.Reading { return values }}
	if len(d.Poll) == 0 {
		sim.Every = spokenEvery
		sim.Speak = func(time.Duration) []byte { return telegram }
		return sim
	}
	sim.Answer = func(_ time.Duration, heard []byte) (answer, rest []byte) {
		at := bytes.Index(heard, d.Poll)
		if at < 0 {
			return nil, heard
		}
		return telegram, heard[at+len(d.Poll):]
	}
	return sim
}
