package framing

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
)

// FramesOptions of a device that sends frames: binary, or blocks of text.
type FramesOptions struct {
	serial.Wire
	Framing
	Text
	Dialogue
	Order   field.Order   `toml:"order" example:"\"little\"" doc:"The byte order of numbers, for channels without an order of their own."`
	Silence time.Duration `toml:"silence" doc:"After this time without a good frame a fault is reported."`
	Example field.Bytes   `toml:"example" example:"\"42 4D 00 05 1C\"" doc:"A frame as the device sends it; sensorgate check tries framing, check sum and channels on it."`
}

func defaultFrames() any {
	return &FramesOptions{Dialogue: DefaultDialogue(), Framing: Framing{Max: 1024}}
}

// Check is called when the file is read.
func (o *FramesOptions) Check() error {
	for _, check := range []func() error{o.Wire.Check, o.Framing.check, o.Text.Check, o.Dialogue.Check} {
		if err := check(); err != nil {
			return err
		}
	}
	if len(o.Example) == 0 {
		return nil
	}
	f := o.Framing.framer()
	f.Push(o.Example, time.Now())
	_, _, err, ok := f.Next()
	if !ok {
		_, _, err, ok = f.Silence()
	}
	switch {
	case err != nil:
		return &drivers.KeyError{Key: "example", Problem: err.Error()}
	case !ok:
		return &drivers.KeyError{Key: "example", Problem: "no whole frame is in it"}
	}
	return nil
}

// Outputs are the named groups of match.
func (o *FramesOptions) Outputs() []drivers.Channel { return o.Text.Outputs() }

// FrameChannel is one channel of frames.
type FrameChannel struct {
	At *int `toml:"at" example:"4" doc:"The place of the first byte, counted from 0; a negative one counts from the end."`
	Selector
	Commands
	field.Layout
	Valid *field.Binary `toml:"valid" example:"{ at = 4, type = \"u16\", min = 100 }" doc:"Another number of the frame that must be in its own range for this one to be a reading: { at = 4, type = \"u16\", min = 100 }."`
}

// Outputs describes what the channel reports.
func (c *FrameChannel) Outputs() []drivers.Channel {
	out := c.Commands.outputs(&c.Value, c.Type)
	if c.Bit != nil && c.Map == nil {
		out[0].Values = drivers.Booleans()
	}
	return out
}

// Check is called when the file is read.
func (c *FrameChannel) Check() error {
	keys := c.Selector.given()
	if c.At != nil {
		if len(keys) > 0 {
			return &drivers.KeyError{Key: "at", Problem: "found at and " + keys[0], Expected: "one way to find the value"}
		}
		if c.Valid != nil {
			if err := drivers.Nested("valid", c.Valid.Check()); err != nil {
				return err
			}
		}
		return c.Layout.Check()
	}
	text := LineChannel{Selector: c.Selector, Value: c.Value, Type: c.Type}
	return text.Check()
}

// frameDecoder takes numbers out of binary frames, and the rest to the text decoder.
type frameDecoder struct {
	fields []binaryField
	text   *textDecoder // nil: no channel is text
}

type binaryField struct {
	name, unit string
	field.Binary
	valid *field.Binary // nil: it always is
}

// decode takes the number out, unless another one says that it is none.
func (f *binaryField) decode(frame []byte) (drivers.Value, error) {
	if f.valid != nil {
		if _, err := f.valid.Decode(frame); err != nil {
			return drivers.Value{}, fmt.Errorf("not valid: %w", err)
		}
	}
	return f.Decode(frame)
}

func newFrameDecoder(o *FramesOptions, channels []drivers.ChannelConfig) (*frameDecoder, error) {
	d := &frameDecoder{}
	var text []textField
	for _, site := range channels {
		c, ok := site.Options.(*FrameChannel)
		if !ok {
			return nil, fmt.Errorf("channel %s has no options of frames", site.Name)
		}
		if c.At == nil {
			text = append(text, textField{name: site.Name, unit: site.Unit, selector: c.Selector, value: c.Value, asText: c.Type.IsText()})
			continue
		}
		b := binaryField{name: site.Name, unit: site.Unit, Binary: field.Binary{At: *c.At, Layout: c.Layout}}
		if b.Order == (field.Order{}) {
			b.Order = o.Order
		}
		if b.valid = c.Valid; b.valid != nil && b.valid.Order == (field.Order{}) {
			v := *b.valid
			v.Order = o.Order
			b.valid = &v
		}
		d.fields = append(d.fields, b)
	}
	if len(text) > 0 || o.Match != nil {
		d.text = newTextDecoder(o.Text, text)
	}
	return d, nil
}

func (d *frameDecoder) Decode(frame []byte, h *Results) {
	for i := range d.fields {
		f := &d.fields[i]
		v, err := f.decode(frame)
		h.Put(f.name, f.unit, v, err)
	}
	if d.text != nil {
		d.text.Decode(frame, h)
	}
}

func framesDriver(ws *serial.Wires) drivers.Driver {
	return drivers.Driver{
		Name:           "frames",
		Summary:        "anything that sends frames: sync, length, check sum and fields described in the file",
		Options:        defaultFrames,
		ChannelOptions: func() any { return new(FrameChannel) },
		Example:        framesExample,
		Simulate:       simulateFrames,
		Open: func(_ context.Context, s drivers.DeviceConfig) (any, error) {
			o := s.Options.(*FramesOptions)
			d, err := newFrameDecoder(o, s.Channels)
			if err != nil {
				return nil, err
			}
			return Open(ws, s, Device{
				Wire: o.Wire, Dialogue: o.Dialogue, Silence: o.Silence, Framer: o.Framing.framer(), Decoder: d,
			})
		},
	}
}
