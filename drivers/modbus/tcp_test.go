package modbus

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
)

// tcpSlave answers on a loopback port as set: chunks of 1 byte, each answer twice, or
// the first one late, so that it arrives in front of the second.
func tcpSlave(t *testing.T, u *slave, late time.Duration) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveTCP(c, u, &late)
		}
	}()
	return l.Addr().String()
}

func serveTCP(c net.Conn, u *slave, late *time.Duration) {
	defer c.Close()
	for {
		head := make([]byte, mbapHeader)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		pdu := make([]byte, binary.BigEndian.Uint16(head[4:])-1)
		if _, err := io.ReadFull(c, pdu); err != nil {
			return
		}
		time.Sleep(*late)
		*late = 0
		answer := u.respond(pdu)
		binary.BigEndian.PutUint16(head[4:], uint16(len(answer)+1))
		for range 2 { // every answer twice: the second is an answer to nothing
			for _, b := range append(head[:mbapHeader:mbapHeader], answer...) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
			}
		}
	}
}

func TestTCPTakesOnlyItsOwnAnswers(t *testing.T) {
	u := &slave{holding: map[uint16]uint16{}}
	for i := range uint16(1000) {
		u.holding[i] = i
	}
	addr := tcpSlave(t, u, 300*time.Millisecond)
	channels := map[string]Channel{}
	for _, at := range []int{100, 200, 300, 400} {
		channels[string(rune('a'+at/100-1))] = Channel{Holding: ptr(at)}
	}
	_, reports := unit(t, nil, Options{TCP: addr, Timeout: 200 * time.Millisecond}, 20*time.Millisecond, channels)
	for n := 0; n < 40; {
		s := next(t, reports)
		if s.err != nil {
			continue
		}
		want := float64(s.r.Channel[0]-'a'+1) * 100
		if v, _ := s.r.Value.Number(); v != want {
			t.Fatalf("%s: got %v, want %v: it took another request's answer", s.r.Channel, v, want)
		}
		n++
	}
}

// What is not Modbus is reported, and the connection is made anew instead of being guessed at.
func TestTCPDropsWhatIsNotModbus(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	connections := make(chan struct{}, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connections <- struct{}{}
			go func() {
				defer c.Close()
				c.Read(make([]byte, 100))
				io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
				c.Read(make([]byte, 100))
			}()
		}
	}()
	_, reports := unit(t, nil, Options{TCP: l.Addr().String()}, 20*time.Millisecond, map[string]Channel{"x": {Holding: ptr(0)}})
	if s := next(t, reports); s.err == nil {
		t.Errorf("got %v from a web server", s.r)
	}
	for range 2 {
		select {
		case <-connections:
		case <-time.After(30 * time.Second):
			t.Fatal("the connection was not made anew")
		}
	}
}

// foreignTCP answers with what change makes of each answer's head.
func foreignTCP(t *testing.T, u *slave, change func(head, pdu []byte)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for {
					head := make([]byte, mbapHeader)
					if _, err := io.ReadFull(c, head); err != nil {
						return
					}
					pdu := make([]byte, binary.BigEndian.Uint16(head[4:])-1)
					if _, err := io.ReadFull(c, pdu); err != nil {
						return
					}
					answer := u.respond(pdu)
					binary.BigEndian.PutUint16(head[4:], uint16(len(answer)+1))
					change(head, pdu)
					c.Write(append(head[:mbapHeader:mbapHeader], answer...))
				}
			}()
		}
	}()
	return l.Addr().String()
}

// It was "no answer (wires A and B?)", of a connection.
func TestTCPReportsWhatCameInsteadOfTheAnswer(t *testing.T) {
	for what, change := range map[string]func(head, pdu []byte){
		"transaction 4711 of unit 1": func(head, _ []byte) { binary.BigEndian.PutUint16(head, 4711) },
		"of unit 255, not":           func(head, _ []byte) { head[6] = 255 },
	} {
		u := &slave{holding: map[uint16]uint16{0: 1}}
		_, reports := unit(t, nil, Options{TCP: foreignTCP(t, u, change), Timeout: 50 * time.Millisecond}, 20*time.Millisecond, map[string]Channel{"x": {Holding: ptr(0)}})
		s := next(t, reports)
		if s.err == nil || !strings.Contains(s.err.Error(), what) || strings.Contains(s.err.Error(), "wires") {
			t.Errorf("got %v, %v, want an error with %q", s.r, s.err, what)
		}
	}
}

// A wrong unit for one channel only: that channel was silently missing.
func TestTCPChannelWithAnswersOfAnotherUnitIsAFault(t *testing.T) {
	u := &slave{holding: map[uint16]uint16{0: 1, 300: 2}}
	addr := foreignTCP(t, u, func(head, pdu []byte) {
		if pdu[1] != 0 {
			head[6] = 9
		}
	})
	_, reports := unit(t, nil, Options{TCP: addr, Timeout: 50 * time.Millisecond}, 50*time.Millisecond, map[string]Channel{"good": {Holding: ptr(0)}, "gone": {Holding: ptr(300)}})
	for start := time.Now(); time.Since(start) < 4*time.Second; {
		s := next(t, reports)
		var fault *drivers.ChannelError
		if errors.As(s.err, &fault) {
			if fault.Channel != "gone" || !strings.Contains(s.err.Error(), "of unit 9, not") {
				t.Errorf("got %v, want what came for channel gone", s.err)
			}
			return
		}
	}
	t.Error("the channel that never came was not reported")
}
