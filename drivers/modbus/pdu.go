package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"

	"sensorgate/drivers"
)

// Function codes. App 6.
const (
	readCoils           = 1
	readDiscrete        = 2
	readHolding         = 3
	readInput           = 4
	writeCoil           = 5
	writeRegister       = 6
	writeCoils          = 15
	writeRegisters      = 16
	encapsulated        = 43 // with MEI type 14: device identification. App 6.21
	exceptionBit   byte = 0x80
)

// Limits of one request. App 6.1, 6.3, 6.11, 6.12.
const (
	maxReadBits       = 2000
	maxReadRegisters  = 125
	maxWriteBits      = 1968
	maxWriteRegisters = 123
	maxPDU            = 253
)

// Table is one of the four address spaces of a device. App 4.3.
type Table uint8

// The tables.
const (
	Coils Table = iota
	Discrete
	Holding
	Input
)

var tableNames = [...]string{Coils: "coil", Discrete: "discrete", Holding: "holding", Input: "input"}

func (t Table) String() string { return tableNames[t] }

// registers reports whether the table has 16-bit registers, not bits.
func (t Table) registers() bool { return t == Holding || t == Input }

func (t Table) readFunction() byte {
	return [...]byte{Coils: readCoils, Discrete: readDiscrete, Holding: readHolding, Input: readInput}[t]
}

// maxRead is the most that one request may ask for.
func (t Table) maxRead() int {
	if t.registers() {
		return maxReadRegisters
	}
	return maxReadBits
}

// bytes is how many bytes n values take in an answer.
func (t Table) bytes(n int) int {
	if t.registers() {
		return 2 * n
	}
	return (n + 7) / 8
}

// request is a PDU to send, and what the answer to it looks like.
type request struct {
	pdu    []byte
	answer int  // length of the answer's PDU
	count  bool // the second byte of the answer counts the rest
}

func (r *request) function() byte { return r.pdu[0] }

// readRequest asks for n values from addr on.
func readRequest(t Table, addr uint16, n int) request {
	pdu := []byte{t.readFunction(), 0, 0, 0, 0}
	binary.BigEndian.PutUint16(pdu[1:], addr)
	binary.BigEndian.PutUint16(pdu[3:], uint16(n))
	return request{pdu: pdu, answer: 2 + t.bytes(n), count: true}
}

// writeRequest writes to registers, two bytes each. One alone is written with FC 6,
// which every device has, unless multiple asks for FC 16.
func writeRequest(addr uint16, data []byte, multiple bool) request {
	if len(data) == 2 && !multiple {
		pdu := []byte{writeRegister, 0, 0, data[0], data[1]}
		binary.BigEndian.PutUint16(pdu[1:], addr)
		return request{pdu: pdu, answer: 5}
	}
	pdu := []byte{writeRegisters, 0, 0, 0, 0, byte(len(data))}
	binary.BigEndian.PutUint16(pdu[1:], addr)
	binary.BigEndian.PutUint16(pdu[3:], uint16(len(data)/2))
	return request{pdu: append(pdu, data...), answer: 5}
}

// coilRequest switches one coil, with FC 5 or FC 15.
func coilRequest(addr uint16, on, multiple bool) request {
	if multiple {
		pdu := []byte{writeCoils, 0, 0, 0, 1, 1, 0}
		binary.BigEndian.PutUint16(pdu[1:], addr)
		if on {
			pdu[6] = 1
		}
		return request{pdu: pdu, answer: 5}
	}
	pdu := []byte{writeCoil, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(pdu[1:], addr)
	if on {
		pdu[3] = 0xFF
	}
	return request{pdu: pdu, answer: 5}
}

// check looks at an answer and returns its data. Lengths are right already: that is how
// the framing found it.
func (r *request) check(pdu []byte) ([]byte, error) {
	switch {
	case len(pdu) == 2 && pdu[0] == r.function()|exceptionBit:
		return nil, exception(pdu[1])
	case len(pdu) != r.answer || pdu[0] != r.function():
		return nil, fmt.Errorf("answer % X does not fit the request % X", pdu, r.pdu)
	case r.count && int(pdu[1]) != len(pdu)-2:
		return nil, fmt.Errorf("the answer counts %d bytes and has %d", pdu[1], len(pdu)-2)
	case r.count:
		return pdu[2:], nil
	}
	// A write is confirmed with its address and value or count. App 6.5, 6.6, 6.11, 6.12.
	if string(pdu[1:5]) != string(r.pdu[1:5]) {
		return nil, fmt.Errorf("%w: the device confirmed something else: % X", drivers.ErrRefused, pdu)
	}
	return nil, nil
}

// exception is a device's refusal. App 7.
type exception byte

// Exceptions that somebody branches on.
const (
	illegalFunction exception = 1
	illegalAddress  exception = 2
	illegalValue    exception = 3
	deviceFailure   exception = 4
)

var exceptionNames = map[exception]string{
	illegalFunction: "illegal function", illegalAddress: "illegal data address", illegalValue: "illegal data value",
	deviceFailure: "device failure", 5: "acknowledged, still working", 6: "device busy", 8: "memory parity error",
	10: "gateway: path unavailable", 11: "gateway: target does not answer",
}

func (e exception) Error() string {
	if name, ok := exceptionNames[e]; ok {
		return fmt.Sprintf("exception %d, %s", byte(e), name)
	}
	return fmt.Sprintf("exception %d", byte(e))
}

// Is makes a refusal recognisable, and lets a gateway's "target does not answer" count as such.
func (e exception) Is(target error) bool {
	if e == 11 || e == 10 {
		return target == drivers.ErrNoAnswer
	}
	return target == drivers.ErrRefused
}

// tooMuch reports whether a smaller request may succeed.
func tooMuch(err error) bool {
	var e exception
	return errors.As(err, &e) && (e == illegalAddress || e == illegalValue || e == deviceFailure)
}
