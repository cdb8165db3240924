package framing

import (
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
)

// Device is what makes a device out of a wire: where it is, how it is asked, how its
// bytes become frames and its frames readings.
type Device struct {
	Wire     serial.Wire
	Dialogue Dialogue
	Silence  time.Duration // without a good frame for this long a fault is reported; 0: never
	Framer   Framer
	Decoder  Decoder

	// Whole is whether every frame has all channels, as the telegram of a meter has: one
	// without any is reported at once. Otherwise only Silence tells.
	Whole bool
}

// Open makes a device that listens (drivers.Watcher) or, if there is something to ask,
// one that is polled (drivers.Poller). It also takes the commands of s.Channels, and
// must be closed.
func Open(ws *serial.Wires, s drivers.DeviceConfig, d Device) (any, error) {
	bus, release, err := ws.Open(d.Wire)
	if err != nil {
		return nil, err
	}
	line := d.Wire.LineOn(bus)
	d.Framer.CharTime = bus.Line().CharTime()
	commands := newCommander(bus, line, s.Channels)
	talk := dialogue{Dialogue: d.Dialogue, line: line}
	if len(d.Dialogue.Poll) > 0 {
		return Paced(&polled{release: release, framer: d.Framer, decoder: d.Decoder, dialogue: talk, commander: commands, unlisted: s.Unlisted}, s.Every), nil
	}
	dev := &stream{release: release, framer: d.Framer, decoder: d.Decoder, silence: d.Silence, whole: d.Whole, commander: commands, unlisted: s.Unlisted}
	if len(d.Dialogue.Init) > 0 {
		dev.init = &talk
	}
	return dev, nil
}
