package modbus

import (
	"encoding/binary"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"sensorgate/drivers/serial"
)

// slaves are units on the far end of a pty, as real as a few lines can be: they answer
// function codes 1 to 6, 15 and 16, and misbehave as set.
type slaves struct {
	far io.ReadWriter
	// wire is how long a byte takes; 0 for a pty, which is as fast as the machine.
	wire time.Duration

	mu       sync.Mutex
	units    map[byte]*slave
	requests []string // as received, for tests that count them
	chunk    int      // bytes per write; 0: all at once
	echo     bool     // what arrives is sent back, as some adapters do
}

// slave is one unit.
type slave struct {
	holding, input map[uint16]uint16
	coils          map[uint16]bool
	dead           bool
	delay          time.Duration // of the next answer only
	stubborn       bool          // confirms writes and ignores them
	noise          []byte        // before each answer
	spoil          int           // so many answers get a wrong CRC
	maxRead        int           // more registers are refused; 0: no limit

	mute            func(at uint16) bool // no answer to requests for these
	silentOverHoles bool                 // no answer where others refuse an address
}

// newSlaves starts them; path is where the master finds them.
func newSlaves(t testing.TB, units map[byte]*slave) (s *slaves, path string) {
	t.Helper()
	far, path, err := serial.OpenPTY()
	if err != nil {
		t.Skip("no ptys here:", err)
	}
	s = &slaves{far: far, units: units}
	var done sync.WaitGroup
	done.Go(s.serve)
	t.Cleanup(func() { far.Close(); done.Wait() })
	return s, path
}

// set changes a unit while it runs.
func (s *slaves) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *slaves) serve() {
	var got []byte
	buf := make([]byte, 512)
	for {
		n, err := s.far.Read(buf)
		if err != nil {
			if pe, ok := err.(*os.PathError); ok && pe.Err.Error() == "input/output error" {
				time.Sleep(10 * time.Millisecond) // nobody has the near end open
				continue
			}
			return
		}
		time.Sleep(time.Duration(n) * s.wire)
		got = append(got, buf[:n]...)
		for len(got) >= 8 {
			size := 8
			if got[1] == writeCoils || got[1] == writeRegisters {
				size = 9 + int(got[6])
			}
			if len(got) < size {
				break
			}
			s.answer(got[:size])
			got = got[size:]
		}
	}
}

func (s *slaves) answer(frame []byte) {
	s.mu.Lock()
	u := s.units[frame[0]]
	s.requests = append(s.requests, string(frame))
	if s.echo {
		s.far.Write(frame)
	}
	if u == nil || u.dead || uint16(crcModbus.Of(frame[:len(frame)-2])) != binary.LittleEndian.Uint16(frame[len(frame)-2:]) {
		s.mu.Unlock()
		return
	}
	pdu := u.respond(frame[1 : len(frame)-2])
	if u.silentOverHoles && pdu[0]&exceptionBit != 0 || u.mute != nil && u.mute(binary.BigEndian.Uint16(frame[2:])) {
		s.mu.Unlock()
		return
	}
	reply := append(append([]byte(nil), u.noise...), seal(frame[0], pdu)...)
	if u.spoil > 0 {
		u.spoil--
		reply[len(reply)-1] ^= 0xFF
	}
	delay, chunk := u.delay, s.chunk
	u.delay = 0
	s.mu.Unlock()
	time.Sleep(delay + time.Duration(len(reply))*s.wire)
	if chunk == 0 {
		chunk = len(reply)
	}
	for len(reply) > 0 {
		n := min(chunk, len(reply))
		if _, err := s.far.Write(reply[:n]); err != nil {
			return
		}
		reply = reply[n:]
	}
}

// respond returns the answer's PDU.
func (u *slave) respond(p []byte) []byte {
	at, n := binary.BigEndian.Uint16(p[1:]), binary.BigEndian.Uint16(p[3:])
	refuse := func(code byte) []byte { return []byte{p[0] | exceptionBit, code} }
	switch p[0] {
	case readHolding, readInput:
		table := u.holding
		if p[0] == readInput {
			table = u.input
		}
		if u.maxRead > 0 && int(n) > u.maxRead {
			return refuse(3)
		}
		out := []byte{p[0], byte(2 * n)}
		for i := range n {
			v, ok := table[at+i]
			if !ok {
				return refuse(2)
			}
			out = binary.BigEndian.AppendUint16(out, v)
		}
		return out
	case readCoils, readDiscrete:
		out := append([]byte{p[0], byte((n + 7) / 8)}, make([]byte, (n+7)/8)...)
		for i := range n {
			v, ok := u.coils[at+i]
			if !ok {
				return refuse(2)
			}
			if v {
				out[2+i/8] |= 1 << (i % 8)
			}
		}
		return out
	case writeCoil:
		if !u.stubborn {
			u.coils[at] = p[3] == 0xFF
		}
	case writeRegister:
		if !u.stubborn {
			u.holding[at] = n
		}
	case writeCoils:
		for i := range n {
			u.coils[at+i] = p[6+i/8]>>(i%8)&1 != 0
		}
	case writeRegisters:
		for i := range n {
			u.holding[at+i] = binary.BigEndian.Uint16(p[6+2*i:])
		}
	default:
		return refuse(1)
	}
	return p[:5:5]
}

var _ io.Closer = (*device)(nil)
