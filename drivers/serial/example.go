package serial

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
	f.push(o.Example, time.Now())
	frame, _, err, whole := f.next()
	if !whole {
		frame, _, err, whole = f.silence()
	}
	if err != nil || !whole {
		return nil, err // Check has told already
	}
	return decodeExample(d, frame)
}

func decodeExample(d decoder, frame []byte) ([]drivers.Reading, error) {
	h := &harvest{at: time.Now()}
	d.decode(frame, h)
	return h.readings, errors.Join(h.errs...)
}
