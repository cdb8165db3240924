package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
)

const (
	maxRTU = 256 // Serial 2.5.1

	// USB adapters hand bytes over every 16 ms, so a pause inside a frame means nothing
	// before this much more than the standard's 1.5 characters.
	rtuSlack = 60 * time.Millisecond
)

var crcModbus = field.Must("crc16-modbus")

// silence is the pause that separates frames: 3.5 characters, and 1.75 ms above
// 19200 baud. Serial 2.5.1.1.
func silence(l serial.Line) time.Duration {
	if l.Baud > 19200 {
		return 1750 * time.Microsecond
	}
	return 7 * l.CharTime() / 2
}

// rtu exchanges one request and its answer on a wire.
type rtu struct {
	timeout time.Duration // for the first byte of the answer
	pause   time.Duration // before a request, if the device needs more than the standard says
	settle  time.Duration // after the port was opened
	line    serial.Line
	open    *open // what the unit may still answer
}

// exchange asks r. What the unit may still answer from before is not taken for r's answer.
func (t *rtu) exchange(s *serial.Transaction, unit byte, r request) ([]byte, time.Time, error) {
	t.open.forget(time.Now())
	if t.open.ambiguous(r) {
		if err := t.catchUp(s, unit, r); err != nil {
			return nil, time.Time{}, err
		}
	}
	return t.ask(s, unit, r)
}

func (t *rtu) ask(s *serial.Transaction, unit byte, r request) ([]byte, time.Time, error) {
	if err := s.Quiet(max(t.pause, silence(t.line), time.Until(s.Opened().Add(t.settle)))); err != nil {
		return nil, time.Time{}, err
	}
	frame := seal(unit, r.pdu)
	if err := s.Write(frame); err != nil {
		return nil, time.Time{}, err
	}
	if unit == 0 {
		return nil, time.Now(), nil // a broadcast is not answered. Serial 2.1
	}
	sent := time.Now().Add(s.TimeOf(len(frame)))
	t.open.add(r, sent)
	return t.answer(s, unit, r, sent)
}

// seal makes an RTU frame. Serial 2.5.1.
func seal(unit byte, pdu []byte) []byte {
	frame := make([]byte, 0, len(pdu)+3)
	frame = append(append(frame, unit), pdu...)
	return binary.LittleEndian.AppendUint16(frame, uint16(crcModbus.Of(frame)))
}

// answer waits for the answer to r. Bytes that are not that answer are passed over:
// noise, or the late answer of another unit or to another question. sent is when the
// request has left.
func (t *rtu) answer(s *serial.Transaction, unit byte, r request, sent time.Time) ([]byte, time.Time, error) {
	var got []byte
	var first time.Time
	var refusal error // perhaps of an earlier question
	whole := s.TimeOf(r.answer + 3)
	deadline := sent.Add(t.timeout)
	var buf [maxRTU]byte
	for {
		n, at, err := s.Read(buf[:], deadline)
		if errors.Is(err, os.ErrDeadlineExceeded) && refusal != nil {
			return nil, first, refusal
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, first, t.noAnswer(got)
		}
		if err != nil {
			return nil, first, err
		}
		if len(got) == 0 {
			first = at
			// It has begun in time, now it may take as long as it is.
			deadline = later(deadline, at.Add(whole+rtuSlack))
		}
		if got = append(got, buf[:n]...); len(got) > 4*maxRTU {
			return nil, first, errors.New("nothing but noise on the wire")
		}
		for {
			pdu, rest, ok := find(got, unit, r)
			if !ok {
				break
			}
			data, err := r.check(pdu)
			if !errors.As(err, new(exception)) {
				t.open.answered()
				return data, first, err
			}
			if t.open.refused(r.function()) {
				t.open.answered()
				return nil, first, err
			}
			refusal, got = err, rest // the answer to this question may still come
		}
		if len(got) >= r.answer+3 {
			// All of it should be here; if it is broken the next poll need not wait for the time-out.
			deadline = earlier(deadline, time.Now().Add(silence(t.line)+rtuSlack))
		}
	}
}

func (t *rtu) noAnswer(got []byte) error {
	if len(got) == 0 {
		return fmt.Errorf("%w within %v", drivers.ErrNoAnswer, t.timeout)
	}
	return fmt.Errorf("%w: %d bytes came that are none (speed, parity, two units with one address?): % X",
		drivers.ErrNoAnswer, len(got), got[:min(len(got), 16)])
}

// find looks for the answer to r anywhere in got, and returns what comes after it. It
// must fit in unit, function, length and CRC.
func find(got []byte, unit byte, r request) (pdu, rest []byte, ok bool) {
	for ; len(got) >= 5; got = got[1:] {
		if got[0] != unit {
			continue
		}
		n := 0
		switch {
		case got[1] == r.function()|exceptionBit:
			n = 2
		case got[1] == r.function() && (!r.count || int(got[2]) == r.answer-2):
			n = r.answer
		default:
			continue
		}
		if len(got) < n+3 {
			continue
		}
		if uint16(crcModbus.Of(got[:n+1])) == binary.LittleEndian.Uint16(got[n+1:]) {
			return got[1 : n+1], got[n+3:], true
		}
	}
	return nil, nil, false
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
