package broker

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"sensorgate/internal/mqtt"
	"sensorgate/internal/timing"
)

// envClients has the test's program hold connections instead of running tests: what they take
// on their own side must not be measured.
const envClients = "SENSORGATE_TEST_CLIENTS"

// holdClients connects as often as "NETWORK ADDRESS COUNT VERSION BYTES" says, VERSION being the
// newest of TLS, sends a message of so many bytes twice, says so, and stays until its input ends.
func holdClients(what string) error {
	f := strings.Fields(what)
	n, err := strconv.Atoi(f[2])
	if err != nil {
		return err
	}
	version, _ := strconv.ParseUint(f[3], 10, 16)
	size, _ := strconv.Atoi(f[4])
	trusting := &tls.Config{InsecureSkipVerify: true, MaxVersion: uint16(version)} // the test's own certificate
	held := make([]net.Conn, n)                                                    // else they are closed when the collector finds them
	for i := range held {
		var nc net.Conn
		switch f[0] {
		case "tls":
			nc, err = tls.Dial("tcp", f[1], trusting)
		default:
			var ws *websocket.Conn
			ws, _, err = (&websocket.Dialer{Subprotocols: []string{"mqtt"}, TLSClientConfig: trusting}).DialContext(context.Background(), f[0]+"://"+f[1]+"/mqtt", nil)
			nc = &webConn{Conn: ws}
		}
		if err != nil {
			return err
		}
		if _, err := nc.Write(mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level311, ClientID: fmt.Sprint("held", i), CleanStart: true})); err != nil {
			return err
		}
		var ack [4]byte
		if _, err := io.ReadFull(nc, ack[:]); err != nil || ack[3] != 0 {
			return fmt.Errorf("CONNACK % x: %w", ack, err)
		}
		for range 2 { // buffers have their size then
			if _, err := nc.Write(append(mqtt.AppendPublish(nil, mqtt.Level311, 0, "x", 0, nil, make([]byte, size)), 0xc0, 0)); err != nil {
				return err
			}
			if _, err := io.ReadFull(nc, ack[:2]); err != nil {
				return err
			}
		}
		held[i] = nc
	}
	fmt.Println("held")
	_, err = io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(held)
	return err
}

// TestAccountOfTLSAndWebSocketAgreesWithTheHeap (K3): a connection over TLS or WebSocket is
// charged for what it takes when it rests, within a quarter, whether its packets were short or
// long: a long record of TLS leaves a buffer of its size.
func TestAccountOfTLSAndWebSocketAgreesWithTheHeap(t *testing.T) {
	timing.Judged(t) // the race detector has a shadow of all memory, and 32 bits are less
	for name, c := range map[string]struct {
		network string
		version uint16
		size    int
	}{
		"tls 1.3, short": {"tls", tls.VersionTLS13, 20},
		"tls 1.3, long":  {"tls", tls.VersionTLS13, 20_000},
		"tls 1.2, short": {"tls", tls.VersionTLS12, 20},
		"tls 1.2, long":  {"tls", tls.VersionTLS12, 20_000},
		"ws, short":      {"ws", 0, 20},
		"ws, long":       {"ws", 0, 20_000},
		"wss, short":     {"wss", tls.VersionTLS13, 20},
		"wss, long":      {"wss", tls.VersionTLS13, 20_000},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 300
			l := Listener{Network: c.network, Address: "127.0.0.1:0"}
			if c.network != "ws" {
				l.Cert, l.Key = newAuthority(t).issue("localhost")
			}
			b := start(t, listening(l))
			held := func(n int) (release func()) {
				return hold(t, fmt.Sprintf("%s %s %d %d %d", c.network, b.Addrs()[0], n, c.version, c.size))
			}
			held(20)() // what is made once
			waitFor(t, "nobody is connected", func() bool { return b.Stats().Clients == 0 })
			base, charged := heapNow(), b.memory.Used()
			release := held(n)
			defer release()
			grown, account := heapNow()-base, b.memory.Used()-charged
			t.Logf("heap and stacks %d, account %d (%.2f), %d a connection", grown, account, float64(account)/float64(grown), grown/n)
			if ratio := float64(account) / float64(grown); ratio < 0.75 || ratio > 1.25 {
				t.Errorf("the account has %d bytes, heap and stacks have grown by %d", account, grown)
			}
		})
	}
}

// hold has a process of its own hold clients.
func hold(t *testing.T, what string) (release func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envClients+"="+what)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatal(line, err)
	}
	return func() {
		_ = in.Close()
		_ = cmd.Wait() // how it ended says nothing
	}
}
