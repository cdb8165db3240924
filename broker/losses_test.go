package broker

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"testing"

	"sensorgate/broker/budget"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// The situations in which brokers were found to lose or to disorder messages that they
// had acknowledged. Every one is a test here.

// pour publishes n numbered messages at QoS 1 with a window, and returns when all are
// acknowledged.
func (c *client) pour(topic string, from, n, window int) {
	c.t.Helper()
	payload := make([]byte, 64)
	sent, acked := 0, 0
	var out []byte
	for acked < n {
		out = out[:0]
		for ; sent < n && sent-acked < window; sent++ {
			binary.BigEndian.PutUint32(payload, uint32(from+sent))
			out = mqtt.AppendPublish(out, c.level, 2, topic, uint16(sent%65535)+1, nil, payload)
		}
		if len(out) > 0 {
			c.write(out)
		}
		a, err := mqtt.ParseAck(c.frame(mqtt.PUBACK), c.level)
		if err != nil || a.Reason >= mqtt.Unspecified {
			c.t.Fatalf("PUBACK: %+v, %v", a, err)
		}
		if want := uint16(acked%65535) + 1; a.ID != want {
			c.t.Fatalf("PUBACK for %d, want %d: they must come in the order of the PUBLISHes [MQTT-4.6.0-2]", a.ID, want)
		}
		acked++
	}
}

func number(p mqtt.Publish) int { return int(binary.BigEndian.Uint32(p.Payload)) }

// drain receives numbered messages up to n and wants every one, in order.
func (c *client) drain(n int) {
	c.t.Helper()
	for i := range n {
		m := c.message()
		if number(m) != i {
			c.t.Fatalf("message %d came when %d was due", number(m), i)
		}
		c.write(mqtt.AppendAck(nil, mqtt.PUBACK, c.level, m.ID, mqtt.Success))
	}
	c.ping()
}

func count(t *testing.T, n int) int {
	t.Helper()
	if testing.Short() {
		return n / 20
	}
	return n
}

func TestManyMessagesForAnOfflineSession(t *testing.T) {
	n := count(t, 100_000)
	b := start(t)
	sub := connect(t, b, mqtt.Level311, "away", persistent)
	sub.subscribe("q", 1)
	sub.disconnect()
	connect(t, b, mqtt.Level311, "pub").pour("q", 0, n, 100)
	sub = dial(t, b, mqtt.Level311)
	if !sub.handshake("away", persistent).SessionPresent {
		t.Error("session not present")
	}
	sub.drain(n)
}

func TestReceiveMaximumOfTen(t *testing.T) {
	const n, limit = 2000, 10
	for name, session := range map[string]func(*mqtt.Connect){"clean": func(*mqtt.Connect) {}, "persistent": persistent} {
		t.Run(name, func(t *testing.T) {
			b := start(t)
			sub := connect(t, b, mqtt.Level5, "narrow", session, func(c *mqtt.Connect) { c.ReceiveMaximum = limit })
			sub.subscribe("q", 1)
			connect(t, b, mqtt.Level5, "pub").pour("q", 0, n, 100)
			var first []mqtt.Publish
			for range limit {
				first = append(first, sub.message())
			}
			sub.ping() // no more came before the first PUBACK [MQTT-3.3.4-9]
			for i, m := range first {
				if number(m) != i {
					t.Fatalf("message %d came when %d was due", number(m), i)
				}
				sub.ack(mqtt.PUBACK, m.ID)
			}
			for i := limit; i < n; i++ {
				m := sub.message()
				if number(m) != i {
					t.Fatalf("message %d came when %d was due", number(m), i)
				}
				sub.ack(mqtt.PUBACK, m.ID)
			}
			sub.ping()
		})
	}
}

func TestSlowSubscriberLosesNothing(t *testing.T) {
	n := count(t, 20_000)
	for name, session := range map[string]func(*mqtt.Connect){"clean": func(*mqtt.Connect) {}, "persistent": persistent} {
		t.Run(name, func(t *testing.T) {
			b := start(t)
			sub := connect(t, b, mqtt.Level311, "slow", session)
			sub.subscribe("q", 1)
			fast := connect(t, b, mqtt.Level311, "fast")
			fast.subscribe("q", 0)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i := range n {
					if m := fast.message(); number(m) != i {
						t.Errorf("the fast subscriber got %d when %d was due", number(m), i)
						return
					}
				}
			}()
			// It reads nothing until all is published, and the fast one has it all by then.
			connect(t, b, mqtt.Level311, "pub").pour("q", 0, n, 100)
			<-done
			sub.drain(n)
		})
	}
}

func TestTakeOversInTheMiddleOfTraffic(t *testing.T) {
	n := count(t, 40_000)
	const takeOvers = 40
	b := start(t)
	sub := connect(t, b, mqtt.Level311, "wanderer", persistent)
	sub.subscribe("q", 1)
	pub := connect(t, b, mqtt.Level311, "pub")
	done := make(chan struct{})
	go func() {
		defer close(done)
		pub.pour("q", 0, n, 100)
	}()
	next, since := 0, 0
	for next < n {
		if since >= n/takeOvers {
			// The old connection is not closed: the broker does that.
			sub, since = dial(t, b, mqtt.Level311), 0
			sub.handshake("wanderer", persistent)
		}
		m := sub.message()
		switch got := number(m); {
		case got == next:
			next++
		case got > next:
			t.Fatalf("message %d came when %d was due", got, next)
		case !m.Dup:
			t.Fatalf("message %d again, without DUP", got)
		}
		since++
		if since%3 != 0 { // some stay unacknowledged when the next take-over comes
			sub.ack(mqtt.PUBACK, m.ID)
		}
	}
	<-done
}

func TestSubscribeAgainWhilePacketIDsAreInUse(t *testing.T) {
	b := start(t)
	sub := connect(t, b, mqtt.Level5, "sub", persistent)
	sub.subscribe("q", 1)
	connect(t, b, mqtt.Level5, "pub").pour("q", 0, 50, 50)
	for range 50 {
		sub.message()
	}
	for id := uint16(1); id <= 60; id++ { // the two directions have separate id spaces
		sub.write(mqtt.AppendSubscribe(nil, mqtt.Level5, mqtt.Subscribe{ID: id, Filters: []mqtt.Subscription{{Filter: "q", QoS: 1}}}))
		got, codes, err := mqtt.ParseSuback(sub.frame(mqtt.SUBACK), mqtt.Level5)
		if err != nil || got != id || codes[0] != 1 {
			t.Fatalf("SUBACK %d %v %v, want %d granted QoS 1", got, codes, err, id)
		}
	}
}

// TestFiftyPublishersAsFastAsTheyCan: nothing is lost for one subscriber.
func TestFiftyPublishersAsFastAsTheyCan(t *testing.T) {
	n := count(t, 2000)
	const publishers = 50
	b := start(t)
	sub := connect(t, b, mqtt.Level311, "sub")
	sub.subscribe("q/+", 1)
	var wg sync.WaitGroup
	for i := range publishers {
		c := connect(t, b, mqtt.Level311, fmt.Sprint("pub", i))
		wg.Add(1)
		go func() {
			defer wg.Done()
			c.pour(fmt.Sprintf("q/%d", i), 0, n, 100)
		}()
	}
	next := map[string]int{}
	for range n * publishers {
		m := sub.message()
		if topic := string(m.Topic); number(m) != next[topic] {
			t.Fatalf("%s: message %d came when %d was due", topic, number(m), next[topic])
		} else {
			next[topic]++
		}
		sub.ack(mqtt.PUBACK, m.ID)
	}
	wg.Wait()
}

// TestOneThatNeverReads: a client that takes nothing and has no limit of its own is
// disconnected, or has its QoS 0 messages dropped; neither costs the others anything.
func TestOneThatNeverReads(t *testing.T) {
	b := start(t)
	for _, qos := range []byte{0, 1} {
		stuck := connect(t, b, mqtt.Level311, "stuck")
		_ = stuck.nc.(*net.TCPConn).SetReadBuffer(4 << 10)
		stuck.subscribe("flood", qos)
		good := connect(t, b, mqtt.Level311, "good")
		good.subscribe("flood", 1)
		pub := connect(t, b, mqtt.Level311, "pub")
		payload := string(make([]byte, 100_000))
		for i := range 500 {
			id := uint16(i + 1)
			pub.publish("flood", payload, 1, id)
			pub.wantAck(mqtt.PUBACK, id)
			m := good.message()
			good.ack(mqtt.PUBACK, m.ID)
		}
		s := b.Stats()
		if qos == 0 && s.DroppedSlow == 0 {
			t.Error("QoS 0: 50 MB for a client that does not read, and nothing dropped or counted")
		}
		if qos == 1 && s.SlowClosed != 1 {
			t.Errorf("QoS 1: disconnected %d clients, want the one that does not read", s.SlowClosed)
		}
		_ = stuck.nc.Close()
		pub.disconnect()
		good.disconnect()
	}
	if n := b.memory.UsedFor(budget.Buffers); n != 0 {
		t.Errorf("%d bytes are still counted as waiting, and nobody is there", n)
	}
}

// TestInUse: packet ids of records repeat after 65,535, and only then may one be in use.
func TestInUse(t *testing.T) {
	var f inflight
	f.push(sentMessage{seq: 10, id: packetID(10), qos: 1})
	f.push(sentMessage{seq: 12, id: packetID(12), qos: 1})
	for seq, want := range map[journal.Seq]bool{11: false, 13: false, 10 + 65535: true, 12 + 65535: true, 11 + 65535: false, 10 + 2*65535: true} {
		if got := f.inUse(seq); got != want {
			t.Errorf("record %d: id in use %v, want %v", seq, got, want)
		}
	}
	f.done(f.find(packetID(10)))
	if f.inUse(10+65535) || !f.inUse(12+65535) {
		t.Error("the id of an acknowledged message is still in use, or that of another is not")
	}
}
