package modbus

import (
	"encoding/binary"
	"time"

	"sensorgate/drivers"
)

// simulate is the Simulate of the driver: RTU on a wire, or Modbus TCP.
func simulate(s drivers.DeviceConfig) (drivers.Simulation, error) {
	m, err := newSimulator(s)
	if err != nil {
		return drivers.Simulation{}, err
	}
	sim := drivers.Simulation{Answer: m.answerRTU, Values: func(ran time.Duration) []drivers.Reading {
		m.mu.Lock()
		defer m.mu.Unlock()
		i, err := m.image(ran)
		if err != nil {
			return nil // newSimulator has made one
		}
		return i.values
	}}
	sim.Blank = func(name string) bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		for n := range m.channels {
			if c := &m.channels[n]; c.config.Name == name && c.none() != nil {
				m.blank[name] = true
				return true
			}
		}
		return false
	}
	if m.options.TCP != "" {
		sim.Answer = m.answerTCP
	}
	return sim, nil
}

// answerRTU looks for requests to this unit in what was heard. What is none is passed over.
func (m *simulator) answerRTU(ran time.Duration, heard []byte) (answer, rest []byte) {
	for len(heard) >= 7 { // the shortest request: function 43
		n := requestLength(heard[1:])
		if n == 0 || heard[0] != m.options.Unit {
			heard = heard[1:]
			continue
		}
		if len(heard) < n+3 {
			break
		}
		if uint16(crcModbus.Of(heard[:n+1])) != binary.LittleEndian.Uint16(heard[n+1:]) {
			heard = heard[1:]
			continue
		}
		answer = append(answer, seal(heard[0], m.respond(ran, heard[1:n+1]))...)
		heard = heard[n+3:]
	}
	return answer, heard
}

// requestLength is the length of the request's PDU that begins with p, 0 if that is none.
func requestLength(p []byte) int {
	switch p[0] {
	case readCoils, readDiscrete, readHolding, readInput, writeCoil, writeRegister:
		return 5
	case writeCoils, writeRegisters:
		if len(p) > 5 {
			return 6 + int(p[5])
		}
	case encapsulated:
		return 4
	}
	return 0
}

// answerTCP answers with the transaction number of the request.
func (m *simulator) answerTCP(ran time.Duration, heard []byte) (answer, rest []byte) {
	for {
		adu, rest, err := cutADU(heard)
		if err != nil {
			return answer, nil
		}
		if adu == nil {
			return answer, heard
		}
		heard = rest
		pdu := []byte{adu[mbapHeader] | exceptionBit, byte(noTarget)}
		if adu[6] == m.options.Unit {
			pdu = m.respond(ran, adu[mbapHeader:])
		}
		answer = append(answer, adu[:4]...)
		answer = binary.BigEndian.AppendUint16(answer, uint16(len(pdu)+1))
		answer = append(append(answer, adu[6]), pdu...)
	}
}

// noTarget is what a gateway says of a unit that does not answer. App 7.
const noTarget exception = 11

// respond is a slave's answer to one request.
func (m *simulator) respond(ran time.Duration, pdu []byte) []byte {
	refuse := func(e exception) []byte { return []byte{pdu[0] | exceptionBit, byte(e)} }
	if pdu[0] == encapsulated {
		return m.identification(pdu)
	}
	if requestLength(pdu) != len(pdu) {
		return refuse(illegalFunction)
	}
	m.mu.Lock() // each connection asks for itself
	defer m.mu.Unlock()
	i, err := m.image(ran)
	if err != nil {
		return refuse(deviceFailure)
	}
	at, n := int(binary.BigEndian.Uint16(pdu[1:])), int(binary.BigEndian.Uint16(pdu[3:]))
	switch pdu[0] {
	case readCoils, readDiscrete, readHolding, readInput:
		return m.read(i, tableOf(pdu[0]), at, n, pdu[0], refuse)
	case writeCoil:
		return m.write(i, Coils, at, []word{word(n >> 15)}, pdu, refuse)
	case writeRegister:
		return m.write(i, Holding, at, []word{word(n)}, pdu, refuse)
	case writeRegisters:
		var words []word
		for p := pdu[6:]; len(p) > 1; p = p[2:] {
			words = append(words, binary.BigEndian.Uint16(p))
		}
		return m.write(i, Holding, at, words, pdu, refuse)
	}
	var bits []word
	for b := range min(n, 8*(len(pdu)-6)) {
		bits = append(bits, word(pdu[6+b/8]>>(b%8)&1))
	}
	return m.write(i, Coils, at, bits, pdu, refuse)
}

func tableOf(function byte) Table {
	return [...]Table{readCoils: Coils, readDiscrete: Discrete, readHolding: Holding, readInput: Input}[function]
}

// read answers FC 1 to 4. Registers between those of its channels it has as 0, as far as
// its model allows for reading over gaps; a request for none of its own it refuses.
func (m *simulator) read(i *image, t Table, at, n int, function byte, refuse func(exception) []byte) []byte {
	limit := t.maxRead()
	if m.options.MaxRead > 0 && t.registers() {
		limit = m.options.MaxRead
	}
	if n < 1 || n > limit || at+n > 1<<16 {
		return refuse(illegalValue)
	}
	answer := make([]byte, 2+t.bytes(n))
	answer[0], answer[1] = function, byte(t.bytes(n))
	has, gap := 0, 0
	for k := range n {
		w, ok := i.words[place{t, at + k}]
		switch {
		case ok:
			has, gap = has+1, 0
		case m.inModel(at + k):
			w, gap = 0xFFFF, 0 // not implemented. SunSpec Information Model, 4.4
		default:
			if gap++; m.options.Gap != nil && gap > *m.options.Gap {
				return refuse(illegalAddress)
			}
		}
		if t.registers() {
			binary.BigEndian.PutUint16(answer[2+2*k:], w)
		} else if w != 0 {
			answer[2+k/8] |= 1 << (k % 8)
		}
	}
	if has == 0 {
		return refuse(illegalAddress)
	}
	return answer
}

func (m *simulator) inModel(at int) bool {
	for _, model := range m.models {
		if at >= model.at && at < model.at+modelHeader+model.length {
			return true
		}
	}
	return false
}

// write takes what a command writes into registers and coils that it has.
func (m *simulator) write(i *image, t Table, at int, words []word, pdu []byte, refuse func(exception) []byte) []byte {
	for k := range words {
		if _, ok := i.words[place{t, at + k}]; !ok {
			return refuse(illegalAddress)
		}
	}
	for k, w := range words {
		m.written[place{t, at + k}] = w
	}
	return pdu[:5:5]
}
