package meters

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/framing"
)

// MBusOptions of a heat, water, gas or electricity meter on wired M-Bus.
type MBusOptions struct {
	serial.Wire
	Address uint8         `toml:"address" doc:"The primary address of the meter, 0 to 250; 254 reaches a meter that is alone on the wire."`
	Timeout time.Duration `toml:"timeout" doc:"How long an answer may take to begin."`
}

// Check is called when the file is read.
func (o *MBusOptions) Check() error {
	if o.Address > 250 && o.Address != 254 {
		return &drivers.KeyError{Key: "address", Problem: fmt.Sprintf("found %d, expected 0 to 250, or 254", o.Address)}
	}
	if o.Timeout <= 0 || o.Timeout > 10*time.Second {
		return &drivers.KeyError{Key: "timeout", Problem: fmt.Sprintf("found %v, expected above 0s, up to 10s", o.Timeout)}
	}
	return o.Wire.Check()
}

// Outputs are the quantities that meters usually have.
func (o *MBusOptions) Outputs() []drivers.Channel {
	return []drivers.Channel{
		{Name: "energy", Unit: "kWh", Kind: drivers.Total}, {Name: "volume", Unit: "m³", Kind: drivers.Total},
		{Name: "power", Unit: "W"}, {Name: "flow", Unit: "m³/h"}, {Name: "flow_temperature", Unit: "°C"},
		{Name: "return_temperature", Unit: "°C"}, {Name: "temperature_difference", Unit: "K"},
	}
}

// MBusChannel is a record beyond the usual ones.
type MBusChannel struct {
	Record string `toml:"record" doc:"The name of the record as sensorgate prints it, such as energy_t2 or flow_max_s5; without it, the channel's name."`
	field.Value
}

func mbusDriver(ws *serial.Wires) drivers.Driver {
	return drivers.Driver{
		Name:           "mbus",
		Summary:        "wired M-Bus (EN 13757): heat, water, gas and electricity meters on a level converter",
		Every:          15 * time.Minute, // battery meters allow only so many read-outs
		Options:        func() any { return &MBusOptions{Address: 254, Timeout: 500 * time.Millisecond} },
		ChannelOptions: func() any { return new(MBusChannel) },
		Open: func(_ context.Context, s drivers.DeviceConfig) (any, error) {
			o := s.Options.(*MBusOptions)
			wire := withLine(o.Wire, serial.Line{Baud: 2400, Bits: 8, Parity: 'E', Stop: 1}) // EN 13757-2, the usual speed
			bus, release, err := ws.Open(wire)
			if err != nil {
				return nil, err
			}
			return &mbusMeter{bus: bus, release: release, line: wire.LineOn(bus), o: *o, channels: s.Channels}, nil
		},
	}
}

// mbusMeter is one meter on the wire.
type mbusMeter struct {
	bus      *serial.Bus
	release  func()
	line     serial.Line
	o        MBusOptions
	channels []drivers.ChannelConfig

	repeats drivers.RepeatFilter
	greeted bool
	fcb     byte // frame count bit of the next request
}

// Close returns the wire back.
func (m *mbusMeter) Close() error {
	m.release()
	return nil
}

// Frames and control fields of EN 13757-2.
const (
	mbusAck      = 0xE5
	mbusShort    = 0x10
	mbusLong     = 0x68
	mbusStop     = 0x16
	mbusSndNke   = 0x40
	mbusReqUD2   = 0x5B
	mbusFCB      = 0x20
	mbusTries    = 3 // EN 13757-2: a request is repeated twice
	maxMBusFrame = 261
	maxTelegrams = 16 // of one read-out
)

// mbusShortFrame makes a request: start, control, address, sum, stop.
func mbusShortFrame(control, address byte) []byte {
	return []byte{mbusShort, control, address, control + address, mbusStop}
}

// Poll reads the meter out. Readings of earlier telegrams are kept if a later one fails.
func (m *mbusMeter) Poll(ctx context.Context) ([]drivers.Reading, error) {
	var h framing.Results
	err := m.bus.Do(ctx, serial.Job{Priority: serial.Poll, Line: m.line, Run: func(s *serial.Transaction) error { return m.readOut(s, &h) }})
	if err != nil {
		m.greeted = false
		return h.Readings, err
	}
	return h.Readings, errors.Join(h.Due(&m.repeats)...)
}

func (m *mbusMeter) readOut(s *serial.Transaction, h *framing.Results) error {
	if !m.greeted {
		// Resets the meter's frame count bit, and makes it begin with its first telegram.
		if _, _, err := m.request(s, mbusSndNke); err != nil {
			return err
		}
		m.greeted, m.fcb = true, mbusFCB
	}
	for range maxTelegrams {
		frame, at, err := m.request(s, mbusReqUD2&^mbusFCB|m.fcb)
		if err != nil {
			return err
		}
		m.fcb ^= mbusFCB
		h.At = at
		more, err := decodeMBus(frame, func(r mbusRecord) { m.put(r, h) })
		if err != nil {
			return fmt.Errorf("%s, address %d: %w", m.bus, m.o.Address, err)
		}
		if !more {
			return nil
		}
	}
	return nil
}

// request sends a short frame until it is answered: with E5, or with a long frame.
func (m *mbusMeter) request(s *serial.Transaction, control byte) (frame []byte, at time.Time, err error) {
	for range mbusTries {
		// 33 bit times of silence before a request. EN 13757-2, 5.2.
		if err := s.Quiet(4 * s.Line().CharTime()); err != nil {
			return nil, at, err
		}
		if err := s.Write(mbusShortFrame(control, m.o.Address)); err != nil {
			return nil, at, err
		}
		frame, at, err = m.answer(s, time.Now().Add(s.TimeOf(5)+m.o.Timeout))
		if err == nil || !errors.Is(err, drivers.ErrNoAnswer) {
			return frame, at, err
		}
	}
	return nil, at, err
}

func (m *mbusMeter) answer(s *serial.Transaction, deadline time.Time) ([]byte, time.Time, error) {
	var got []byte
	var first time.Time
	var buf [maxMBusFrame]byte
	for {
		n, at, err := s.Read(buf[:], deadline)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, first, fmt.Errorf("%s, address %d: %w within %v, after % X", m.bus, m.o.Address, drivers.ErrNoAnswer, m.o.Timeout, got[:min(len(got), 16)])
		}
		if err != nil {
			return nil, first, err
		}
		if len(got) == 0 {
			first = at
			deadline = at.Add(s.TimeOf(maxMBusFrame) + m.o.Timeout)
		}
		if got = append(got, buf[:n]...); len(got) > 8*maxMBusFrame {
			return nil, first, fmt.Errorf("%s: nothing but noise", m.bus)
		}
		if frame := findMBus(got); frame != nil {
			return frame, first, nil
		}
	}
}

// findMBus looks for an answer anywhere in got: E5 alone, or a whole long frame.
func findMBus(got []byte) []byte {
	for i := range got {
		switch {
		case got[i] == mbusAck && len(got) == 1:
			return got
		case got[i] == mbusLong:
			if frame := longFrame(got[i:]); frame != nil {
				return frame
			}
		}
	}
	return nil
}

// longFrame returns the long frame that p begins with, if it is whole: 68 L L 68, L bytes,
// their sum, 16. EN 13757-2.
func longFrame(p []byte) []byte {
	if len(p) < 9 || p[1] != p[2] || p[3] != mbusLong || p[1] < 3 || len(p) < int(p[1])+6 {
		return nil
	}
	end := 4 + int(p[1])
	var sum byte
	for _, b := range p[4:end] {
		sum += b
	}
	if sum != p[end] || p[end+1] != mbusStop {
		return nil
	}
	return p[:end+2]
}

// put sorts a record into a channel: one that the user named, else under its own name.
func (m *mbusMeter) put(r mbusRecord, h *framing.Results) {
	taken := false
	for _, site := range m.channels {
		o, ok := site.Options.(*MBusChannel)
		if !ok || o.Record != r.name && (o.Record != "" || site.Name != r.name) {
			continue
		}
		taken = true
		v, err := o.Of(r.value)
		unit := site.Unit
		if unit == "" {
			unit = r.unit
		}
		h.Put(site.Name, unit, v, err)
	}
	if !taken && r.usual {
		h.Put(r.name, r.unit, drivers.Number(r.value), nil)
	}
}
