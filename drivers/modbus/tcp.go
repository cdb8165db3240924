package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
)

const mbapHeader = 7 // Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3

// tcp exchanges one request and its answer on a connection. Its transaction numbers
// are the connection's, not the device's, so that a late answer to one unit is never
// another's: they are drawn from one counter.
type tcp struct {
	timeout time.Duration
	pause   time.Duration
	settle  time.Duration // after the connection was made
	next    func() uint16
}

func (t *tcp) exchange(s *serial.Transaction, unit byte, r request) ([]byte, time.Time, error) {
	if wait := max(t.pause, time.Until(s.Opened().Add(t.settle))); wait > 0 {
		if err := s.Quiet(wait); err != nil {
			return nil, time.Time{}, err
		}
	}
	id := t.next()
	adu := make([]byte, mbapHeader, mbapHeader+len(r.pdu))
	binary.BigEndian.PutUint16(adu, id)
	binary.BigEndian.PutUint16(adu[4:], uint16(len(r.pdu)+1))
	adu[6] = unit
	if err := s.Write(append(adu, r.pdu...)); err != nil {
		return nil, time.Time{}, err
	}
	deadline := time.Now().Add(t.timeout)
	var got []byte
	var foreign string // what came instead of the answer
	var buf [1024]byte
	for {
		n, at, err := s.Read(buf[:], deadline)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, at, t.noAnswer(s, got, foreign)
		}
		if err != nil {
			return nil, at, err
		}
		got = append(got, buf[:n]...)
		for {
			adu, rest, err := cutADU(got)
			if err != nil {
				return nil, at, s.Drop(err)
			}
			if adu == nil {
				break
			}
			got = rest
			if binary.BigEndian.Uint16(adu) == id && adu[6] == unit {
				data, err := r.check(adu[mbapHeader:])
				return data, at, err
			}
			// The late answer to an earlier request, or a device that does not keep to the numbers.
			foreign = fmt.Sprintf("transaction %d of unit %d, not %d of %d", binary.BigEndian.Uint16(adu), adu[6], id, unit)
		}
	}
}

// cutADU takes the first message off what came; nil: it is not all there yet. What is not
// Modbus TCP is an error: nobody knows where the next message begins.
func cutADU(got []byte) (adu, rest []byte, err error) {
	if len(got) < mbapHeader {
		return nil, got, nil
	}
	length := int(binary.BigEndian.Uint16(got[4:]))
	if binary.BigEndian.Uint16(got[2:]) != 0 || length < 2 || length > maxPDU+1 {
		return nil, nil, fmt.Errorf("not Modbus TCP: % X", got[:mbapHeader])
	}
	if len(got) < 6+length {
		return nil, got, nil
	}
	return got[:6+length], got[6+length:], nil
}

// noAnswer is the time-out's error, with what came instead. Half an answer leaves the
// connection out of step, so that is dropped.
func (t *tcp) noAnswer(s *serial.Transaction, got []byte, foreign string) error {
	err := fmt.Errorf("%w within %v", drivers.ErrNoAnswer, t.timeout)
	if len(got) > 0 {
		return s.Drop(fmt.Errorf("%w: cut short", err))
	}
	if foreign != "" {
		return fmt.Errorf("%w, but an answer to something else: %s (try: another unit number)", err, foreign)
	}
	return err
}
