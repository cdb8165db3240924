package meters

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/framing"
)

// D0Options of a meter that talks IEC 62056-21, mode C or D.
type D0Options struct {
	serial.Wire
	Mode    D0Mode        `toml:"mode" example:"\"c\"" doc:"With push the meter sends by itself (mode D of the standard), with c it is asked (mode C)."`
	Address string        `toml:"address" example:"\"12345678\"" doc:"The number of the meter, if several hear the question."`
	Timeout time.Duration `toml:"timeout" doc:"How long an answer may take to begin; the standard allows 1.5 s."`
	Silence time.Duration `toml:"silence" doc:"After this time without a good telegram a fault is reported."`
}

// D0Mode is who speaks first.
type D0Mode string

// The modes.
const (
	D0Push D0Mode = "push"
	D0Ask  D0Mode = "c"
)

// UnmarshalText takes push or c.
func (m *D0Mode) UnmarshalText(text []byte) error {
	if mode := D0Mode(text); mode != D0Push && mode != D0Ask {
		return fmt.Errorf("found %q, expected push or c", text)
	}
	*m = D0Mode(text)
	return nil
}

// Check is called when the file is read.
func (o *D0Options) Check() error {
	if len(o.Address) > 32 || bytes.ContainsAny([]byte(o.Address), "!/\r\n") {
		return &drivers.KeyError{Key: "address", Problem: fmt.Sprintf("found %q, expected up to 32 digits or letters", o.Address)}
	}
	if o.Timeout <= 0 || o.Timeout > time.Minute {
		return &drivers.KeyError{Key: "timeout", Problem: fmt.Sprintf("found %v, expected above 0s, up to 1m", o.Timeout)}
	}
	return o.Wire.Check()
}

// Outputs are the usual channels.
func (o *D0Options) Outputs() []drivers.Channel { return obisOutputs(obisChannels) }

func d0Driver(ws *serial.Wires) drivers.Driver {
	return drivers.Driver{
		Name:    "d0",
		Summary: "IEC 62056-21 meters through an optical head: mode D (push) and mode C (asked)",
		Options: func() any {
			return &D0Options{Mode: D0Push, Timeout: 3 * time.Second, Silence: time.Minute}
		},
		ChannelOptions: func() any { return new(OBISChannel) },
		Simulate:       simulateD0,
		Open: func(_ context.Context, s drivers.DeviceConfig) (any, error) {
			o := s.Options.(*D0Options)
			obis, err := newOBISDecoder(obisChannels, s.Channels)
			if err != nil {
				return nil, err
			}
			line := serial.Line{Baud: 300, Bits: 7, Parity: 'E', Stop: 1} // 5.1 and 6.4.3.2 of the standard
			if o.Mode == D0Push {
				line.Baud = 2400
			}
			wire := withLine(o.Wire, line)
			d := &d0Decoder{obis: obis}
			if o.Mode == D0Push {
				return framing.Open(ws, s, framing.Device{Wire: wire, Silence: o.Silence, Framer: d0Framer(), Decoder: d, Whole: true})
			}
			bus, release, err := ws.Open(wire)
			if err != nil {
				return nil, err
			}
			return framing.Paced(&d0Meter{bus: bus, release: release, line: wire.LineOn(bus), o: *o, decoder: d, fixed: wire.Serial != nil && wire.Serial.TCP != "", unlisted: s.Unlisted}, s.Every), nil
		},
	}
}

// d0Framer cuts from / to the line that begins with !.
func d0Framer() framing.Framer {
	none := func([]byte) error { return nil } // mode D has no check sum; parity is all there is
	return framing.Framer{Cutter: &framing.TextCutter{Start: []byte("/"), End: []byte("\r\n!"), ToEOL: true, Verify: none, Max: 8192}}
}

// d0Decoder takes the values out of a data block.
type d0Decoder struct{ obis *obisDecoder }

// d0Data is one data set: identification (value*unit). 6.5 of the standard.
var d0Data = regexp.MustCompile(`([0-9A-Za-z.:*&-]+)\(([^()*\r\n]*)(?:\*([^()\r\n]*))?\)`)

func (d *d0Decoder) Decode(frame []byte, h *framing.Results) {
	found := false
	for _, m := range d0Data.FindAllSubmatch(frame, -1) {
		value, unit := string(m[2]), string(m[3])
		code, ok := parseOBIS(string(m[1]))
		if !ok {
			continue
		}
		found = true
		if v, ok := field.ParseNumber(value); ok && unit != "" {
			d.obis.number(code, v, unit, h)
		} else {
			d.obis.text(code, value, h)
		}
	}
	if !found {
		h.Reject(errors.New("no data sets in the telegram"))
	}
}

// d0Meter is asked, in mode C.
type d0Meter struct {
	bus      *serial.Bus
	release  func()
	line     serial.Line
	o        D0Options
	decoder  *d0Decoder
	fixed    bool // the speed is a serial server's, and cannot be changed from here
	unlisted func(drivers.Reading)
	h        framing.Results
}

// Close returns the port back.
func (m *d0Meter) Close() error {
	m.release()
	return nil
}

// Poll asks for a read-out, which takes a minute at 300 baud.
func (m *d0Meter) Poll(ctx context.Context) ([]drivers.Reading, error) {
	var block []byte
	var at time.Time
	err := m.bus.Do(ctx, serial.Job{Priority: serial.Poll, Line: m.line, Run: func(s *serial.Transaction) (err error) {
		block, at, err = m.readOut(s)
		return err
	}})
	if err != nil {
		return nil, err
	}
	m.h.Reset(at)
	m.decoder.Decode(block, &m.h)
	m.h.Unlisted(m.unlisted)
	if err := m.h.NoChannel(); err != nil {
		return nil, fmt.Errorf("%s: %w", m.bus, err)
	}
	return m.h.Readings, errors.Join(m.h.Faults...)
}

// Control characters of the protocol.
const (
	d0STX = 0x02
	d0ETX = 0x03
	d0ACK = 0x06
)

// maxD0Telegram is the length in bytes that a read-out may have.
const maxD0Telegram = 64 << 10

// d0Bauds are the speeds of mode C. 6.3.14 of the standard, table for protocol mode C.
var d0Bauds = map[byte]int{'0': 300, '1': 600, '2': 1200, '3': 2400, '4': 4800, '5': 9600, '6': 19200}

// readOut signs on, agrees on a speed, and returns the data block. 6.4 of the standard.
func (m *d0Meter) readOut(s *serial.Transaction) ([]byte, time.Time, error) {
	s.Flush()
	if err := s.Write([]byte("/?" + m.o.Address + "!\r\n")); err != nil {
		return nil, time.Time{}, err
	}
	ident, at, err := m.until(s, findD0Ident)
	if err != nil {
		return nil, at, err
	}
	if len(ident) < 5 {
		return nil, at, fmt.Errorf("%s: identification %q is too short", m.bus, ident)
	}
	// /XXXZ: three letters of the maker, and the speed that the meter proposes.
	speed := ident[4]
	if baud, ok := d0Bauds[speed]; ok {
		if m.fixed { // the speed of the first words is 300 baud: stay there
			speed, baud = '0', d0Bauds['0']
		}
		// Acknowledge: normal protocol, that speed, data read-out. 6.3.3.
		if err := s.Write([]byte{d0ACK, '0', speed, '0', '\r', '\n'}); err != nil {
			return nil, at, err
		}
		// The acknowledgement must have left before the speed changes.
		if err := s.Pause(s.TimeOf(6) + 20*time.Millisecond); err != nil {
			return nil, at, err
		}
		line := s.Line()
		line.Baud = baud
		if !m.fixed {
			if err := s.SetLine(line); err != nil {
				return nil, at, err
			}
		}
	}
	block, _, err := m.until(s, findD0Block)
	return block, at, err
}

// findD0Ident returns the identification message, without its end, when it is whole.
func findD0Ident(p []byte) (message []byte, err error) {
	start := bytes.IndexByte(p, '/')
	if start < 0 {
		return nil, nil
	}
	end := bytes.IndexByte(p[start:], '\n')
	if end < 0 {
		return nil, nil
	}
	return bytes.TrimRight(p[start:start+end], "\r"), nil
}

// findD0Block returns the data block from STX to ETX, when it and its check character
// are there. The character is the XOR of all after STX, ETX included. 6.3.1.
func findD0Block(p []byte) (message []byte, err error) {
	start := bytes.IndexByte(p, d0STX)
	if start < 0 {
		return nil, nil
	}
	end := bytes.IndexByte(p[start:], d0ETX)
	if end < 0 || start+end+1 >= len(p) {
		return nil, nil
	}
	end += start
	if bcc := byte(xor8.Of(p[start+1 : end+1])); bcc != p[end+1] {
		return nil, fmt.Errorf("block check: %02X, the meter says %02X", bcc, p[end+1])
	}
	return p[start+1 : end], nil
}

// until reads until find has its message. The time-out counts from the last byte: a
// read-out is as long as it is.
func (m *d0Meter) until(s *serial.Transaction, find func([]byte) ([]byte, error)) (message []byte, at time.Time, err error) {
	var got []byte
	var buf [512]byte
	for {
		n, when, err := s.Read(buf[:], time.Now().Add(m.o.Timeout))
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, at, fmt.Errorf("%s: %w within %v (head on the meter? mode right?), after %q", m.bus, drivers.ErrNoAnswer, m.o.Timeout, got[:min(len(got), 40)])
		case err != nil:
			return nil, at, err
		case len(got)+n > maxD0Telegram:
			return nil, at, fmt.Errorf("%s: telegram has no end", m.bus)
		}
		if len(got) == 0 {
			at = when
		}
		got = append(got, buf[:n]...)
		if message, err := find(got); message != nil || err != nil {
			return message, at, err
		}
	}
}
