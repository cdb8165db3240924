package meters

import (
	"bytes"
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
	Address uint8         `toml:"address" example:"5" doc:"The primary address of the meter, 0 to 250; 254 reaches a meter that is alone on the wire."`
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
	Record string `toml:"record" example:"\"energy_t2\"" doc:"The name of the record as sensorgate prints it, such as energy_t2 or flow_max_s5; without it, the channel's name."`
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
			return &mbusMeter{bus: bus, release: release, line: wire.LineOn(bus), o: *o, channels: s.Channels, unlisted: s.Unlisted}, nil
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
	unlisted func(drivers.Reading)

	begun bool // SND_NKE was sent
	fcb   byte // frame count bit of the next request
}

// Close releases the wire.
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
	mbusRspUD    = 0x08 // in the lower four bits of an answer
	mbusTries    = 3    // EN 13757-2: a request is repeated twice
	mbusAnybody  = 254
	maxMBusFrame = 261
	maxTelegrams = 16 // of one read-out
)

// mbusShortFrame makes a request: start, control, address, sum, stop.
func mbusShortFrame(control, address byte) []byte {
	return []byte{mbusShort, control, address, control + address, mbusStop}
}

// Poll reads the meter out. Readings of earlier telegrams are kept if a later one fails.
func (m *mbusMeter) Poll(ctx context.Context) ([]drivers.Reading, error) {
	var r framing.Results
	err := m.bus.Do(ctx, serial.Job{Priority: serial.Poll, Line: m.line, Run: func(s *serial.Transaction) error { return m.readOut(s, &r) }})
	r.Unlisted(m.unlisted)
	if err != nil {
		m.begun = false
		return r.Readings, err
	}
	if err := r.NoChannel(); err != nil {
		return nil, fmt.Errorf("%s, address %d: %w", m.bus, m.o.Address, err)
	}
	return r.Readings, errors.Join(r.Faults...)
}

func (m *mbusMeter) readOut(s *serial.Transaction, r *framing.Results) error {
	if !m.begun {
		// Resets the meter's frame count bit, and makes it begin with its first telegram.
		// Some do not acknowledge it, or so early or late that it is lost: what counts is
		// whether the question after it is answered.
		if _, _, err := m.request(s, mbusSndNke, 2); err != nil && !errors.Is(err, drivers.ErrNoAnswer) {
			return err
		}
		m.begun, m.fcb = true, mbusFCB
	}
	var all mbusTelegram // a read-out may have several: records are numbered through all of them
	for range maxTelegrams {
		frame, at, err := m.request(s, mbusReqUD2&^mbusFCB|m.fcb, mbusTries)
		if err != nil {
			return err
		}
		m.fcb ^= mbusFCB
		r.At = at
		before := len(all.records)
		if err := all.decode(frame); err != nil {
			r.Reject(fmt.Errorf("%s, address %d: %w", m.bus, m.o.Address, err))
		}
		for _, record := range all.records[before:] {
			m.put(record, r)
		}
		if !all.more {
			return nil
		}
	}
	return nil
}

// request sends a short frame until it is answered: with E5, or with a long frame.
func (m *mbusMeter) request(s *serial.Transaction, control byte, tries int) (frame []byte, at time.Time, err error) {
	for range tries {
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

// answer reads until a whole long frame is there, or until E5 was and nothing comes
// behind it: converters put bytes before and after it, and E5 may stand in noise.
func (m *mbusMeter) answer(s *serial.Transaction, deadline time.Time) ([]byte, time.Time, error) {
	var got []byte
	var first time.Time
	var buf [maxMBusFrame]byte
	other := ""
	for {
		n, at, err := s.Read(buf[:], deadline)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if bytes.IndexByte(got, mbusAck) >= 0 && len(got) < maxAckNoise {
				return []byte{mbusAck}, first, nil
			}
			return nil, first, fmt.Errorf("%s, address %d: %w within %v%s, after % X", m.bus, m.o.Address, drivers.ErrNoAnswer, m.o.Timeout, other, got[:min(len(got), 16)])
		}
		if err != nil {
			return nil, first, err
		}
		if len(got) == 0 {
			first = at
		}
		if got = append(got, buf[:n]...); len(got) > 8*maxMBusFrame {
			return nil, first, fmt.Errorf("%s: nothing but noise", m.bus)
		}
		frame, others := findMBus(got, m.o.Address)
		if frame != nil {
			return frame, first, nil
		}
		if others >= 0 {
			other = fmt.Sprintf(" (%d answers)", others)
		}
		deadline = m.until(s, got, first)
	}
}

// maxAckNoise is how many bytes may come with an E5.
const maxAckNoise = 4

// until is how long to wait for more: behind an E5 not long, otherwise for the longest frame.
func (m *mbusMeter) until(s *serial.Transaction, got []byte, first time.Time) time.Time {
	if bytes.IndexByte(got, mbusAck) >= 0 && len(got) < maxAckNoise && bytes.IndexByte(got, mbusLong) < 0 {
		return time.Now().Add(s.TimeOf(maxAckNoise) + 20*time.Millisecond)
	}
	return first.Add(s.TimeOf(maxMBusFrame) + m.o.Timeout)
}

// findMBus looks anywhere in got for a whole long frame from address, or from anybody if
// that is 254. other is another address that has answered, or -1: a meter whose answer is
// late must not be taken for the one that was asked.
func findMBus(got []byte, address byte) (frame []byte, other int) {
	other = -1
	for i := 0; i < len(got); i++ {
		if got[i] != mbusLong {
			continue
		}
		frame := longFrame(got[i:])
		switch {
		case frame == nil:
		case address == mbusAnybody || frame[5] == address:
			return frame, other
		default:
			other = int(frame[5])
			i += len(frame) - 1
		}
	}
	return nil, other
}

// longFrame returns the long frame that p begins with, if it is whole and an answer: 68 L L
// 68, L bytes of which the first is RSP_UD, their sum, 16. EN 13757-2.
func longFrame(p []byte) []byte {
	if len(p) < 9 || p[1] != p[2] || p[3] != mbusLong || p[1] < 3 || len(p) < int(p[1])+6 || p[4]&0x4F != mbusRspUD {
		return nil
	}
	end := 4 + int(p[1])
	if byte(sum8.Of(p[4:end])) != p[end] || p[end+1] != mbusStop {
		return nil
	}
	return p[:end+2]
}

// put sorts a record into the channels that ask for it, else under its own name.
func (m *mbusMeter) put(record mbusRecord, r *framing.Results) {
	taken := false
	for _, c := range m.channels {
		o, ok := c.Options.(*MBusChannel)
		if !ok || o.Record != record.name && (o.Record != "" || c.Name != record.name) {
			continue
		}
		taken = true
		o.put(c, record, r)
	}
	switch {
	case taken:
	case record.usual:
		r.Put(record.name, record.unit, record.value, record.fault)
	default:
		r.Other("record", record.name, record.unit, record.value)
	}
}

// put makes the channel's value. Where the file has a unit and does not scale, the
// record's is converted to it.
func (o *MBusChannel) put(c drivers.ChannelConfig, record mbusRecord, r *framing.Results) {
	unit := c.Unit
	if unit == "" {
		unit = record.unit
	}
	raw, isNumber := record.value.Number()
	switch {
	case record.fault != nil || !isNumber && o.Map == nil:
		r.Put(c.Name, unit, record.value, record.fault)
		return
	case !isNumber:
		v, err := o.OfText(record.value.String())
		r.Put(c.Name, unit, v, err)
		return
	}
	if _, known := framing.UnitNamed(unit); known && o.Scale == 0 && o.Offset == 0 && record.unit != "" {
		converted, err := framing.Convert(raw, record.unit, unit)
		if err != nil {
			r.Put(c.Name, "", drivers.Value{}, err)
			return
		}
		raw = converted
	}
	v, err := o.Of(raw)
	r.Put(c.Name, unit, v, err)
}
