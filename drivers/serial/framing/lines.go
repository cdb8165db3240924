package framing

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
)

// LinesOptions of a device that prints lines of text.
type LinesOptions struct {
	serial.Wire
	Text
	Dialogue
	Max     int           `toml:"max" example:"256" doc:"The length of the longest line, in bytes."`
	Silence time.Duration `toml:"silence" doc:"After this time without a usable line a fault is reported."`
	Example string        `toml:"example" example:"\"+   1.234kg\"" doc:"A line as the device prints it; sensorgate check tries match and channels on it."`
}

func defaultLines() any {
	return &LinesOptions{Dialogue: DefaultDialogue(), Max: 1024}
}

// Check is called when the file is read.
func (o *LinesOptions) Check() error {
	for _, check := range []func() error{o.Wire.Check, o.Text.Check, o.Dialogue.Check} {
		if err := check(); err != nil {
			return err
		}
	}
	if o.Max < 1 || o.Max > 64<<10 {
		return &drivers.KeyError{Key: "max", Problem: fmt.Sprintf("found %d, expected 1 to 65536", o.Max)}
	}
	if o.Example != "" && o.Match != nil && !o.Match.MatchString(o.Example) {
		return &drivers.KeyError{Key: "example", Problem: "match does not fit it"}
	}
	return nil
}

// Outputs are the named groups of match.
func (o *LinesOptions) Outputs() []drivers.Channel { return o.Text.Outputs() }

// LineChannel is one channel of lines.
type LineChannel struct {
	Selector
	Commands
	field.Value
	UnitIn string     `toml:"unit_in" example:"\"unit\"" doc:"The named group of match that holds the unit as the device prints it: the value is converted to the channel's unit, or refused if that does not fit."`
	Type   field.Type `toml:"type" example:"\"text\"" doc:"The word text keeps the value as text even if it looks like a number."`
}

// Outputs describes what the channel reports.
func (c *LineChannel) Outputs() []drivers.Channel { return c.Commands.outputs(&c.Value, c.Type) }

// Check is called when the file is read.
func (c *LineChannel) Check() error {
	if keys := c.Selector.given(); len(keys) > 1 {
		return &drivers.KeyError{Key: keys[0], Problem: "found several ways to find the value", Expected: "one of group, column, json, key"}
	}
	if c.Column != nil && *c.Column < 1 {
		return &drivers.KeyError{Key: "column", Problem: fmt.Sprintf("found %d; columns count from 1", *c.Column)}
	}
	if c.Type.Known() && !c.Type.IsText() {
		return &drivers.KeyError{Key: "type", Problem: fmt.Sprintf("found %s; lines hold numbers as text anyway", c.Type), Expected: "nothing, or text"}
	}
	return c.Value.Check()
}

func linesDriver(ws *serial.Wires) drivers.Driver {
	return drivers.Driver{
		Name:           "lines",
		Summary:        "anything that prints lines: regular expression, columns, JSON, key=value",
		Options:        defaultLines,
		ChannelOptions: func() any { return new(LineChannel) },
		Example:        linesExample,
		Simulate:       simulateLines,
		Open: func(_ context.Context, s drivers.DeviceConfig) (any, error) {
			o := s.Options.(*LinesOptions)
			for _, c := range s.Channels {
				if lc, ok := c.Options.(*LineChannel); ok && lc.UnitIn != "" && (o.Match == nil || o.Match.SubexpIndex(lc.UnitIn) < 0) {
					return nil, fmt.Errorf("channel %s: unit_in = %q is no named group of match", c.Name, lc.UnitIn)
				}
			}
			return Open(ws, s, Device{
				Wire: o.Wire, Dialogue: o.Dialogue, Silence: o.Silence,
				Framer:  Framer{Cutter: &LineCutter{Max: o.Max}},
				Decoder: newTextDecoder(o.Text, textFields(s.Channels)),
			})
		},
	}
}

func textFields(channels []drivers.ChannelConfig) []textField {
	var fields []textField
	for _, site := range channels {
		f := textField{name: site.Name, unit: site.Unit}
		switch o := site.Options.(type) {
		case *LineChannel:
			f.selector, f.value, f.asText, f.unitIn = o.Selector, o.Value, o.Type.IsText(), o.UnitIn
		}
		fields = append(fields, f)
	}
	return fields
}
