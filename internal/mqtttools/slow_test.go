package mqtttools

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What a broker answers, to the first packet id.
var (
	connack3, suback3 = []byte{0x20, 2, 0, 0}, []byte{0x90, 3, 0, 1, 0}
	connack5, suback5 = []byte{0x20, 3, 0, 0, 0}, []byte{0x90, 4, 0, 1, 0, 0}
)

// stuck is an output that takes nothing until it is released.
type stuck struct{ released chan struct{} }

func (s stuck) Write(p []byte) (int, error) {
	<-s.released
	return len(p), nil
}

// `sub -C 1 | less` on a busy broker: what is not read must wait at the broker and not in our
// memory (the library for MQTT 5 keeps up to 65,535 messages unless CONNECT says fewer), and
// when it is enough sub ends, though the next message is being handed over.
func TestSlowOutputStopsTheBroker(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	for version, answers := range map[string][2][]byte{"311": {connack3, suback3}, "5": {connack5, suback5}} {
		t.Run(version, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			const size, most = 64 << 10, 1000 // 64 MB: more than sockets, the library and we may hold
			sent := make(chan int, 1)
			go func() { sent <- flood(l, answers[0], answers[1], size, most) }()

			_, port, _ := net.SplitHostPort(l.Addr().String())
			s := parsed(t, "-V", version, "-p", port, "-t", "#", "-C", "1")
			out, ended := stuck{make(chan struct{})}, make(chan error, 1)
			go func() { ended <- s.Run(t.Context(), out) }()
			if n := <-sent; n == most {
				t.Errorf("%d MB were taken while nobody read them", n*size>>20)
			}
			close(out.released)
			select {
			case err := <-ended:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(time.Minute):
				t.Error("sub -C 1 does not end")
			}
		})
	}
}

// flood answers CONNECT and SUBSCRIBE and sends messages until the other side takes no more;
// it returns how many went out whole.
func flood(l net.Listener, connack, suback []byte, size, most int) (n int) {
	nc, err := l.Accept()
	if err != nil {
		return -1
	}
	defer nc.Close()
	_ = nc.(*net.TCPConn).SetWriteBuffer(64 << 10) // a hint
	r := bufio.NewReader(nc)
	skipPacket(r)
	_, _ = nc.Write(connack) // a fault shows at the messages
	skipPacket(r)
	_, _ = nc.Write(suback)
	m := append([]byte{0x30, byte(size&0x7F | 0x80), byte(size>>7&0x7F | 0x80), byte(size >> 14), 0, 1, 'a', 0}, make([]byte, size-4)...) // PUBLISH, QoS 0
	for ; n < most; n++ {
		_ = nc.SetWriteDeadline(time.Now().Add(3 * time.Second)) // a fault shows at the Write
		if _, err := nc.Write(m); err != nil {
			return n
		}
	}
	return n
}

// skipPacket reads one packet of less than 16 KB.
func skipPacket(r *bufio.Reader) {
	_, _ = r.ReadByte()
	n := 0
	for shift := 0; ; shift += 7 {
		b, err := r.ReadByte()
		n |= int(b&0x7F) << shift
		if err != nil || b < 0x80 {
			break
		}
	}
	_, _ = io.CopyN(io.Discard, r, int64(n))
}

// -M and -D say how many messages may be on their way to us.
func TestReceiveMaximum(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	for args, want := range map[string]uint16{"": 20, "-M 5": 5, "-M 100000": 65535, "-M 5 -D connect receive-maximum 7": 7} {
		s := parsed(t, append([]string{"-V", "5", "-t", "a"}, strings.Fields(args)...)...)
		if err := s.check(); err != nil {
			t.Fatal(err)
		}
		if got := s.connect5().Properties.ReceiveMaximum; got == nil || *got != want {
			t.Errorf("%q: receive maximum %v, want %d", args, got, want)
		}
	}
	if got := (&client{version: "5"}).connect5().Properties.ReceiveMaximum; got == nil || *got == 0 { // [MQTT-3.1.2.11.3]: 0 is a protocol error
		t.Errorf("without flags: receive maximum %v", got)
	}
}

// -A and --proxy are for lines of TCP. Where they cannot count they are refused; the line
// must not go out by another way in silence.
func TestAddressOfOursIsNotIgnored(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	socket := filepath.Join(t.TempDir(), "none.sock")
	found := map[string]Broker{"unix": {Socket: socket}, "ws": {Address: "127.0.0.1:1", WS: true}}
	for _, way := range [][]string{{"-A", "127.0.0.1"}, {"--proxy", "socks5h://127.0.0.1:1"}} {
		for _, to := range [][]string{{"--unix", socket}, {"--ws", "-p", "1"}, {"-L", "ws://127.0.0.1:1/mqtt"}, {"found", "unix"}, {"found", "ws"}} {
			args := append([]string{"-t", "a"}, way...)
			if to[0] != "found" {
				args = append(args, to...)
			}
			s := parsed(t, args...)
			if to[0] == "found" {
				s.FindBroker = func(context.Context) (Broker, error) { return found[to[1]], nil }
			}
			var usage UsageError
			if err := s.Run(t.Context(), io.Discard); !errors.As(err, &usage) || !strings.Contains(err.Error(), way[0]) {
				t.Errorf("%v to %v: %v, want a usage error about %s", way, to, err, way[0])
			}
		}
	}
}
