package broker

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"sensorgate/internal/mqtt"
	"sensorgate/internal/timing"
)

// What was found by attacking the protocol, byte by byte, and is right now.

// A mosquitto bridge with its defaults sets the highest bit of the protocol level.
func TestMosquittoBridgeBitIsAccepted(t *testing.T) {
	runClauses(t, mqtt.Level311, true, []clause{
		{"level 0x84", "1012" + ` 0004 "MQTT" 84 00 003c 0006 "vm.br1"`, "20020000", false},
		{"level 0x83", "1014" + ` 0006 "MQIsdp" 83 00 003c 0006 "vm.br2"`, "20020000", false},
		{"level 0x85 is none", "100d" + ` 0004 "MQTT" 85 02 003c 0001 "a"`, "20 03 00 84 00", true},
	})
}

// What a bridge publishes does not come back to it, and it sees the retain flag as it was
// published: also over a reconnect, from the queue.
func TestBridgeClientHasNoEchoAndKeepsRetain(t *testing.T) {
	b := start(t)
	asBridge := func(c *mqtt.Connect) { c.Bridge, c.CleanStart = true, false }
	bridge := connect(t, b, mqtt.Level311, "br", asBridge)
	bridge.subscribe("#", 1)
	other := connect(t, b, mqtt.Level311, "other")
	other.subscribe("#", 1)
	bridge.publish("up", "mine", 1, 7)
	bridge.wantAck(mqtt.PUBACK, 7)
	other.ack(mqtt.PUBACK, other.want("up", "mine").ID)
	other.write(mqtt.AppendPublish(nil, mqtt.Level311, mqtt.PublishFlags(1, false, true), "down", 9, nil, []byte("kept")))
	p := bridge.want("down", "kept")
	if !p.Retain {
		t.Error("a retained message reaches the bridge without its retain flag")
	}
	bridge.ack(mqtt.PUBACK, p.ID)
	bridge.ping() // behind it nothing of its own
	bridge.disconnect()
	other.messageAnd(mqtt.PUBACK)
	other.write(mqtt.AppendPublish(nil, mqtt.Level311, mqtt.PublishFlags(1, false, true), "down", 10, nil, []byte("later")))
	other.messageAnd(mqtt.PUBACK)
	bridge = connect(t, b, mqtt.Level311, "br", asBridge)
	if p := bridge.want("down", "later"); !p.Retain {
		t.Error("from the queue it comes without its retain flag")
	}
}

// DISCONNECT, close, and at once a CONNECT with the same id: what the old connection had
// sent is handled before it is cut, so no will is published and no message lost
// [MQTT-3.14.4-3].
func TestWhatWasSentBeforeATakeOverCounts(t *testing.T) {
	for _, network := range []string{"tcp", "tls", "ws"} {
		t.Run(network, func(t *testing.T) {
			b := start(t, func(o *Options) { o.Listeners = []Listener{testListener(t, network)} })
			wills, messages := make(chan *mqtt.Message, 1000), make(chan *mqtt.Message, 1000)
			defer b.Subscribe("will", func(m *mqtt.Message) { wills <- m })()
			defer b.Subscribe("last", func(m *mqtt.Message) { messages <- m })()
			rounds := 60
			if network != "tcp" {
				rounds = 15
			}
			for i := range rounds {
				c := dialNetwork(t, b, network, mqtt.Level311)
				c.handshake("same", func(c *mqtt.Connect) { c.Will = &mqtt.Will{Topic: "will", Payload: []byte("x")} })
				c.write(append(mqtt.AppendPublish(nil, mqtt.Level311, 0, "last", 0, nil, fmt.Append(nil, i)), 0xe0, 0))
				_ = c.nc.Close()
			}
			dialNetwork(t, b, network, mqtt.Level311).handshake("same")
			if n := len(wills); n > 0 {
				t.Errorf("%d wills of %d connections that ended with DISCONNECT", n, rounds)
			}
			if n := len(messages); n != rounds {
				t.Errorf("%d of %d messages sent before the DISCONNECT arrived", n, rounds)
			}
		})
	}
}

// Only what fits into the client's maximum packet size is sent: reason strings are left
// out of DISCONNECT [MQTT-3.14.2-3], and what is not necessary out of CONNACK.
func TestMaximumPacketSizeHoldsForEveryPacket(t *testing.T) {
	runClauses(t, mqtt.Level5, true, []clause{
		{"DISCONNECT without its reason string", `1013` + v5 + `02003c 05 270000001e 0001"m" | f100`,
			"20 0e 00 00 0b 21 1000 27 001e8480 22 0040 | e0028100", true},
		{"CONNACK without what can be left out", `1013` + v5 + `02003c 05 270000000d 0001"n" | c000`, "20 0b 00 00 08 21 1000 27 001e8480 | d000", false},
		{"CONNACK that cannot have the assigned id", `1012` + v5 + `02003c 05 270000001e 0000`, "20 03 00 95 00", true},
		{"not even a reason fits", `1013` + v5 + `02003c 05 2700000002 0001"o" | f100`, "", true},
	})
}

// A delayed will is published when the session ends by a Clean Start (3.1.3.2.2, v5).
func TestDelayedWillComesWhenACleanStartEndsTheSession(t *testing.T) {
	b := start(t)
	got := make(chan *mqtt.Message, 2)
	defer b.Subscribe("will", func(m *mqtt.Message) { got <- m })()
	expiring := func(c *mqtt.Connect) { c.SessionExpiry = 1000 }
	c := connect(t, b, mqtt.Level5, "c", expiring, func(c *mqtt.Connect) {
		c.Will = &mqtt.Will{Topic: "will", Payload: []byte("gone"), Delay: 900}
	})
	_ = c.nc.Close()
	again := connect(t, b, mqtt.Level5, "c", expiring) // clean start
	again.ping()
	select {
	case m := <-got:
		if string(m.Payload) != "gone" {
			t.Errorf("the will is %s", m.Payload)
		}
	default:
		t.Error("the session ended and its will did not come")
	}
	// Who resumes the session has none.
	c = connect(t, b, mqtt.Level5, "d", expiring, func(c *mqtt.Connect) {
		c.Will = &mqtt.Will{Topic: "will", Payload: []byte("gone"), Delay: 900}
	})
	_ = c.nc.Close()
	connect(t, b, mqtt.Level5, "d", expiring, func(c *mqtt.Connect) { c.CleanStart = false }).ping()
	connect(t, b, mqtt.Level5, "d", expiring).ping()
	if len(got) > 0 {
		t.Error("a will was published though its client came back")
	}
}

func TestMalformedTopicNames(t *testing.T) {
	const text = "topic name is not well-formed UTF-8 or has U+0000"
	runClauses(t, mqtt.Level5, false, []clause{
		{"MQTT-1.5.4-2 U+0000", "3004 0001 00 00", disconnected(0x81, text), true},
		{"MQTT-1.5.4-1 a surrogate", "3006 0003 eda080 00", disconnected(0x81, text), true},
		{"MQTT-1.5.4-1 overlong", "3005 0002 c080 00", disconnected(0x81, text), true},
		{"3.3.2.1 empty without an alias", "3003 0000 00", disconnected(0x82, "topic name is empty and there is no topic alias"), true},
		{"MQTT-3.3.2-2 wildcard", `3004 0001"+" 00`, disconnected(0x90, "topic name is not allowed"), true},
	})
}

// MQTT 3.1.1 knows one answer to a fault: the end of the connection [MQTT-4.8.0-1].
func TestFaultsAt311EndTheConnection(t *testing.T) {
	const sub1, sub2 = `8206 0001 0001"r" 01`, `8206 0001 0001"r" 02`
	runClauses(t, mqtt.Level311, false, []clause{
		{"SUBSCRIBE to an empty filter", "8205 000a 0000 01", "", true},
		{"SUBSCRIBE to a/#/b", `820a 000a 0005"a/#/b" 01`, "", true},
		{"SUBSCRIBE to a+", `8207 000a 0002"a+" 01`, "", true},
		{"SUBSCRIBE with U+0000", `8207 000a 0002 6100 01`, "", true},
		{"UNSUBSCRIBE from an empty filter", "a204 000a 0000", "", true},
		{"UNSUBSCRIBE from a#", `a206 000a 0002"a#"`, "", true},
		{"PUBACK for a message of QoS 2", sub2 + `| 3406 0001"r" 0005 "x" | 40020001`, `9003000102 | 3406 0001"r" 0001 "x" | 50020005`, true},
		{"PUBREC for a message of QoS 1", sub1 + `| 3206 0001"r" 0005 "x" | 50020001`, `9003000101 | 3206 0001"r" 0001 "x" | 40020005`, true},
		{"PUBCOMP for a message of QoS 1", sub1 + `| 3206 0001"r" 0005 "x" | 70020001`, `9003000101 | 3206 0001"r" 0001 "x" | 40020005`, true},
		{"PUBCOMP before PUBREC", sub2 + `| 3406 0001"r" 0005 "x" | 70020001`, `9003000102 | 3406 0001"r" 0001 "x" | 50020005`, true},
	})
}

// MQTT 3.1 has no session present, no empty client ids, and bits that are not used.
func TestMQTT31AsItIs(t *testing.T) {
	const v3 = `0006 "MQIsdp" 03`
	runClauses(t, mqtt.Level31, true, []clause{
		{"session present is not used: first", `100f` + v3 + `00003c 0001"k" | e000`, "20020000", true},
		{"session present is not used: again", `100f` + v3 + `00003c 0001"k" | e000`, "20020000", true},
		{"empty client id", `100e` + v3 + `02003c 0000`, "20020002", true},
		{"connect flag 0 is not used", `100f` + v3 + `03003c 0001"l"`, "20020000", false},
		{"flags of CONNECT are not used", `1f0f` + v3 + `02003c 0001"m"`, "20020000", false},
		{"SUBSCRIBE, UNSUBSCRIBE and PUBREL sent again", `100f` + v3 + `02003c 0001"n" | 8a06 0001 0001"a" 00 | aa05 0002 0001"a" | 6a020007`,
			"20020000 | 9003000100 | b0020002 | 70020007", false},
	})
	runClauses(t, mqtt.Level311, false, []clause{
		{"a length in more bytes than needed is a length", "c08000", "d000", false},
	})
}

func TestEmptyResponseTopicIsRefused(t *testing.T) {
	runClauses(t, mqtt.Level5, false, []clause{
		{"MQTT-4.7.3-1", `3007 0001"a" 03 080000`, disconnected(0x82, "property has a value that is not allowed"), true},
	})
}

// testListener is one of the network on a free port.
func testListener(t *testing.T, network string) Listener {
	l := Listener{Network: network, Address: "127.0.0.1:0"}
	if network == "tls" {
		l.Cert, l.Key = newAuthority(t).issue("localhost")
	}
	return l
}

func dialNetwork(t *testing.T, b *Broker, network string, level byte) *client {
	t.Helper()
	addr := b.Addrs()[0].String()
	var nc net.Conn
	var err error
	switch network {
	case "tls":
		nc, err = tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	case "ws":
		var ws *websocket.Conn
		ws, _, err = (&websocket.Dialer{Subprotocols: []string{"mqtt"}}).Dial("ws://"+addr+"/mqtt", nil)
		nc = &webConn{Conn: ws}
	default:
		nc, err = net.DialTimeout("tcp", addr, 10*time.Second)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return newClient(t, nc, level)
}

// guess tries wrong passwords of ann over so many connections at a time, until stop is called.
func guess(addr string, connections int) (guesses, busy *atomic.Int64, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var flood sync.WaitGroup
	guesses, busy = new(atomic.Int64), new(atomic.Int64)
	for k := range connections {
		flood.Go(func() {
			for ctx.Err() == nil {
				nc, err := net.Dial("tcp", addr)
				if err != nil {
					continue
				}
				n := guesses.Add(1)
				con := &mqtt.Connect{Level: mqtt.Level311, ClientID: fmt.Sprint("g", n), CleanStart: true}
				user("ann", fmt.Sprint("guess ", k, n))(con)
				_, _ = nc.Write(mqtt.AppendConnect(nil, con))
				var ack [4]byte
				_ = nc.SetReadDeadline(time.Now().Add(5 * time.Second))
				if _, err := io.ReadFull(nc, ack[:]); err == nil && ack[3] == 3 {
					busy.Add(1)
				}
				_ = nc.Close()
			}
		})
	}
	return guesses, busy, func() { cancel(); flood.Wait() }
}

// While wrong passwords come in as fast as they can, over real sockets and with real
// hashes, a right one gets in within two seconds, also from the same address and of the same
// user.
func TestLoginDuringAFloodOfWrongPasswords(t *testing.T) {
	b := start(t, func(o *Options) { o.Passwords = passwords(t, "ann", "bob") })
	guesses, _, stop := guess(b.Addrs()[0].String(), 3) // on the slowest machine there is a place for one more
	defer stop()
	waitFor(t, "the flood is under way", func() bool { return guesses.Load() >= 20 })
	for _, name := range []string{"bob", "ann"} {
		for _, level := range []byte{mqtt.Level311, mqtt.Level5} {
			begin := time.Now()
			connect(t, b, level, "honest-"+name, user(name, "pw-"+name)).ping()
			if took := time.Since(begin); took > timing.Limit(2*time.Second) {
				t.Errorf("level %d: the right password of %s was accepted after %v", level, name, took)
			}
		}
	}
}

// Who finds no turn is answered "busy", and not at once; another user still gets in.
func TestWhoFindsNoTurnIsAnsweredBusy(t *testing.T) {
	b := start(t, func(o *Options) { o.Passwords = passwords(t, "ann", "bob") })
	guesses, busy, stop := guess(b.Addrs()[0].String(), 200)
	defer stop()
	waitFor(t, "somebody is answered so", func() bool { return busy.Load() > 0 })
	begin := time.Now()
	connect(t, b, mqtt.Level5, "honest", user("bob", "pw-bob")).ping()
	if took := time.Since(begin); took > timing.Limit(2*time.Second) {
		t.Errorf("the right password was accepted after %v", took)
	}
	t.Logf("%d guesses, %d told busy", guesses.Load(), busy.Load())
}

func TestPasswordThatIsTooLongIsRefused(t *testing.T) {
	b := start(t, func(o *Options) { o.Passwords = passwords(t, "ann") })
	if got := refused(t, b, mqtt.Level5, user("ann", strings.Repeat("x", 2000))); got != mqtt.BadUserNameOrPassword {
		t.Errorf("2,000 bytes of password: %v", got)
	}
}

// A WebSocket client that does not read could not be disconnected, and nobody could take its
// session over: the writer waited for it without end.
func TestClientThatDoesNotReadIsDisconnected(t *testing.T) {
	for _, network := range []string{"tcp", "tls", "ws"} {
		t.Run(network, func(t *testing.T) {
			b := start(t, listening(testListener(t, network)))
			c := dialNetwork(t, b, network, mqtt.Level311)
			c.handshake("deaf")
			c.subscribe("a", 0)
			waitFor(t, "it has more than its socket takes", func() bool {
				_ = b.Publish(t.Context(), mqtt.Message{Topic: "a", Payload: make([]byte, 1<<20)}) // memory only: it is taken
				return b.count.slow.Load() > 200
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := b.RemoveSession(ctx, "deaf"); err != nil {
				t.Error(err)
			}
		})
	}
}
