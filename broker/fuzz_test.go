package broker

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"sensorgate/broker/budget"
	"sensorgate/internal/mqtt"
)

// FuzzSession plays a script of valid and broken packets against two brokers, one over
// the event loop and one over a pipe: neither may panic, hang or leak.
func FuzzSession(f *testing.F) {
	connect5 := mqtt.AppendConnect(nil, &mqtt.Connect{Level: 5, ClientID: "f", CleanStart: true})
	connect4 := mqtt.AppendConnect(nil, &mqtt.Connect{Level: 4, ClientID: "f", Will: &mqtt.Will{Topic: "w", QoS: 1, Retain: true}})
	subscribe := mqtt.AppendSubscribe(nil, 4, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: "#", QoS: 2}}})
	subscribe5 := mqtt.AppendSubscribe(nil, 5, mqtt.Subscribe{ID: 1, SubscriptionID: 3, Filters: []mqtt.Subscription{{Filter: "#", QoS: 1, NoLocal: true}, {Filter: "$share/g/#", QoS: 2}}})
	for _, script := range [][]byte{
		connect5, connect4, append(connect4, subscribe...), append(connect5, subscribe5...),
		append(append(connect4, subscribe...), mqtt.AppendPublish(nil, 4, 4, "a", 1, nil, []byte("x"))...),
		append(append(connect5, subscribe5...), mqtt.AppendPublish(nil, 5, 3, "a", 1, mqtt.AppendTopicAlias(nil, 1), []byte("x"))...),
		append(connect5, mqtt.AppendDisconnect(nil, 5, mqtt.DisconnectWithWill, "")...),
		append(connect4, connect4...), {0x10, 0xff, 0xff, 0xff, 0x7f}, {0xf0, 0}, append(connect4, 0xc0, 0, 0xe0, 0),
	} {
		f.Add(script, uint8(3))
		f.Add(script, uint8(200))
	}
	loop, piped := start(f), start(f)
	f.Fuzz(func(t *testing.T, script []byte, cut uint8) {
		if len(script) > 4096 {
			return
		}
		nc, err := net.Dial("tcp", loop.Addrs()[0].String())
		if err != nil {
			t.Skip(err)
		}
		play(t, nc, script, int(cut))
		ours, theirs := net.Pipe()
		piped.begin(theirs, piped.listeners[0])
		play(t, ours, script, int(cut))
		for _, b := range []*Broker{loop, piped} {
			settled(t, b)
		}
	})
}

// play sends the script in two parts, as one who reads all answers, and goes.
func play(t *testing.T, nc net.Conn, script []byte, cut int) {
	t.Helper()
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, nc) // until the end, in whatever way it comes
	}()
	cut = min(cut, len(script))
	for _, part := range [][]byte{script[:cut], script[cut:]} {
		if _, err := nc.Write(part); err != nil {
			break // closed on us, as it should be when something is wrong
		}
	}
	if tcp, ok := nc.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	} else {
		_ = nc.Close()
	}
	select {
	case <-ended:
	case <-time.After(25 * time.Second):
		buf := make([]byte, 1<<20)
		t.Fatalf("hangs on % x\n%s", script, buf[:runtime.Stack(buf, true)])
	}
}

// settled waits until the broker has released the connection, and forgets what it left.
func settled(t *testing.T, b *Broker) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
		b.mu.Lock()
		n := len(b.conns)
		for _, s := range b.sessions {
			if s.owner != nil {
				n++ // its teardown is not over
			} else {
				b.removeLocked(s)
			}
		}
		b.mu.Unlock()
		if n == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a connection is still counted 20 s after its end")
		}
	}
	if n := b.subs.Len(); n != 0 {
		t.Fatalf("%d subscriptions are left of sessions that have ended", n)
	}
	if n := b.memory.UsedFor(budget.Buffers); n != 0 {
		t.Fatalf("%d bytes are still counted as waiting", n)
	}
	for _, r := range b.retained.match("#", time.Time{}) {
		b.retained.mu.Lock()
		b.retained.removeLocked(r.topic)
		b.retained.mu.Unlock()
	}
}
