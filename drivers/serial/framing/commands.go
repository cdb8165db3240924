package framing

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
)

// Commands are what to send for a commanded state. Channels embed it.
type Commands struct {
	Set map[string]field.Bytes `toml:"set" example:"{ on = \"A0 01 01 A2\", off = \"A0 01 00 A1\" }" doc:"The bytes to send for each command: { on = \"A0 01 01 A2\", off = \"A0 01 00 A1\" }."`
}

// outputs describes a channel that may take commands: what it reports, or what it can be
// set to.
func (o *Commands) outputs(value *field.Value, typ field.Type) []drivers.Channel {
	c := drivers.Channel{Values: value.Names(), Text: typ.IsText()}
	if typ.IsBool() && c.Values == nil {
		c.Values = drivers.Booleans()
	}
	if len(o.Set) > 0 {
		c.Writable, c.Kind = true, drivers.State
		if c.Values == nil {
			c.Values = slices.Sorted(maps.Keys(o.Set))
			slices.Reverse(c.Values) // on before off
		}
	}
	return []drivers.Channel{c}
}

// commander sends the commands of a device's channels. A device that does not say what
// it does cannot confirm: done means that the bytes have left.
type commander struct {
	bus      *serial.Bus
	line     serial.Line
	commands map[string]Commands // by channel
}

func newCommander(bus *serial.Bus, line serial.Line, channels []drivers.ChannelConfig) commander {
	c := commander{bus: bus, line: line, commands: map[string]Commands{}}
	for _, site := range channels {
		switch o := site.Options.(type) {
		case *LineChannel:
			c.commands[site.Name] = o.Commands
		case *FrameChannel:
			c.commands[site.Name] = o.Commands
		}
	}
	return c
}

// Command sends what stands for the state.
func (c *commander) Command(ctx context.Context, cmd drivers.Command) error {
	o := c.commands[cmd.Channel]
	if len(o.Set) == 0 {
		return fmt.Errorf("%s: %w", cmd.Channel, drivers.ErrNoCommands)
	}
	p, ok := o.of(cmd)
	if !ok {
		return fmt.Errorf("%w: %.40q is none of %s", drivers.ErrRefused, cmd.Payload, strings.Join(slices.Sorted(maps.Keys(o.Set)), ", "))
	}
	// What the device answers is for whoever listens.
	return c.bus.Do(ctx, serial.Job{Priority: serial.Command, Line: c.line, Broadcast: true, Run: func(s *serial.Transaction) error { return s.Write(p) }})
}

// of finds the bytes for a command: under its own words, or for true and 1 under on.
func (o *Commands) of(cmd drivers.Command) (field.Bytes, bool) {
	if p, ok := o.Set[strings.TrimSpace(string(cmd.Payload))]; ok {
		return p, true
	}
	on, err := cmd.Bool()
	if err != nil {
		return nil, false
	}
	p, ok := o.Set[map[bool]string{true: "on", false: "off"}[on]]
	return p, ok
}
