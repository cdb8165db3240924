package modbus

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
)

// Drivers lists what this package can talk to.
func Drivers(buses *serial.Buses, log *slog.Logger) []drivers.Driver {
	m := &master{wires: serial.NewWires(buses, log)}
	return []drivers.Driver{{
		Name:           "modbus",
		Summary:        "Modbus RTU and TCP: meters, inverters, relays, anything with registers",
		Every:          10 * time.Second,
		Options:        newOptions,
		ChannelOptions: func() any { return new(Channel) },
		Open:           m.open,
		Simulate:       simulate,
	}}
}

// master opens devices, which share wires and connections.
type master struct {
	wires *serial.Wires
	units units
	ids   atomic.Uint32 // TCP transactions; one counter for all connections does no harm
}

func (m *master) open(_ context.Context, s drivers.DeviceConfig) (any, error) {
	o := s.Options.(*Options)
	wire := o.Wire
	if o.TCP != "" {
		wire = serial.Wire{Serial: &serial.PortOptions{TCP: o.TCP}}
	}
	bus, release, err := m.wires.Open(wire)
	if err != nil {
		return nil, err
	}
	d := &device{
		bus: bus, release: release, unit: o.Unit, line: o.LineOn(bus), timeout: o.Timeout,
		limits: limits{gap: defaultGap, registers: maxReadRegisters},
		wake:   make(chan *channel, 1), identity: o.Identity, order: o.Order,
		silent: unitBackoff,
	}
	if o.Gap != nil {
		d.limits.gap = *o.Gap
	}
	if o.MaxRead > 0 {
		d.limits.registers = o.MaxRead
	}
	if o.TCP != "" {
		d.hint = " (address, unit number, does it serve another client?)"
		d.transport = &tcp{timeout: o.Timeout, pause: o.Pause, settle: o.Settle, next: func() uint16 { return uint16(m.ids.Add(1)) }}
	} else {
		line := d.line
		if line.IsZero() {
			line = bus.Line()
		}
		d.hint = " (address, speed, wires A and B? try: sensorgate scan modbus)"
		d.transport = &rtu{timeout: o.Timeout, pause: o.Pause, settle: o.Settle, line: line, open: m.units.of(bus, o.Unit)}
	}
	if err := d.setChannels(s, o); err != nil {
		release()
		return nil, err
	}
	return d, nil
}

// setChannels turns the user's channels into things to read.
func (d *device) setChannels(s drivers.DeviceConfig, device *Options) error {
	for _, cc := range s.Channels {
		given, ok := cc.Options.(*Channel)
		if !ok {
			return fmt.Errorf("channel %s has no options of modbus", cc.Name)
		}
		o := *given
		if o.Order == (field.Order{}) {
			o.Order = device.Order
		}
		table, at := o.place()
		c, i := newChannel(cc.Name, cc.Unit, o, at)
		c.missing = c.missing || device.Missing
		i.table, i.every = table, cc.Every
		if i.every == 0 {
			i.every = s.Every
		}
		if i.width > d.limits.registers && i.table.registers() && i.width > c.o.width() {
			return fmt.Errorf("channel %s: its registers are %d apart and have to be read in one request, of at most %d", cc.Name, i.width, d.limits.registers)
		}
		d.channels = append(d.channels, c)
		if o.SunSpec != "" {
			d.sunspec = append(d.sunspec, i)
			continue
		}
		if i.at+i.width > 1<<16 {
			return fmt.Errorf("channel %s ends after register 65535", cc.Name)
		}
		d.fixed = append(d.fixed, i)
	}
	return nil
}
