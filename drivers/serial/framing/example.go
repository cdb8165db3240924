package framing

import (
	"errors"
	"time"

	"sensorgate/drivers"
)

// An example in the configuration is a test that the user wrote: `sensorgate check`
// decodes it and shows the readings, without a port.

func linesExample(s drivers.DeviceConfig) ([]drivers.Reading, error) {
	o, ok := s.Options.(*LinesOptions)
	if !ok || o.Example == "" {
		return nil, nil
	}
	return decodeExample(newTextDecoder(o.Text, textFields(s.Channels)), []byte(o.Example))
}

func framesExample(s drivers.DeviceConfig) ([]drivers.Reading, error) {
	o, ok := s.Options.(*FramesOptions)
	if !ok || len(o.Example) == 0 {
		return nil, nil
	}
	d, err := newFrameDecoder(o, s.Channels)
	if err != nil {
		return nil, err
	}
	f := o.Framing.framer()
	f.Push(o.Example, time.Now())
	frame, _, err, whole := f.Next()
	if !whole {
		frame, _, err, whole = f.Silence()
	}
	if err != nil || !whole {
		return nil, err // Check has reported it already
	}
	return decodeExample(d, frame)
}

func decodeExample(d Decoder, frame []byte) ([]drivers.Reading, error) {
	h := &Results{At: time.Now()}
	d.Decode(frame, h)
	return h.Readings, errors.Join(h.Faults...)
}
