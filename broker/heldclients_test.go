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

// holdClients connects as often as "NETWORK ADDRESS COUNT" says, says so, and stays until its
// input ends.
func holdClients(what string) error {
	f := strings.Fields(what)
	n, err := strconv.Atoi(f[2])
	if err != nil {
		return err
	}
	trusting := &tls.Config{InsecureSkipVerify: true} // the test's own certificate
	held := make([]net.Conn, n)                       // else they are closed when the collector finds them
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
			if _, err := nc.Write(append(mqtt.AppendPublish(nil, mqtt.Level311, 0, "x", 0, nil, make([]byte, 20_000)), 0xc0, 0)); err != nil {
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
// charged for what it takes when it is used, within a quarter. The buffers of its packets were held
// twice, and not charged, as long as it was idle.
func TestAccountOfTLSAndWebSocketAgreesWithTheHeap(t *testing.T) {
	timing.Judged(t) // the race detector has a shadow of all memory, and 32 bits are less
	const n = 200
	for _, network := range []string{"tls", "ws", "wss"} {
		t.Run(network, func(t *testing.T) {
			l := Listener{Network: network, Address: "127.0.0.1:0"}
			if network != "ws" {
				l.Cert, l.Key = newAuthority(t).issue("localhost")
			}
			b := start(t, listening(l))
			hold := func(n int) (release func()) {
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d", envClients, network, b.Addrs()[0], n))
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
			hold(1)() // what is made once
			waitFor(t, "nobody is connected", func() bool { return b.Stats().Clients == 0 })
			base, charged := heapNow(), b.memory.Used()
			release := hold(n)
			defer release()
			grown, account := heapNow()-base, b.memory.Used()-charged
			t.Logf("%s: heap and stacks %d, account %d (%.2f), %d a connection", network, grown, account, float64(account)/float64(grown), grown/n)
			if ratio := float64(account) / float64(grown); ratio < 0.75 || ratio > 1.25 {
				t.Errorf("the account has %d bytes, heap and stacks have grown by %d", account, grown)
			}
		})
	}
}
