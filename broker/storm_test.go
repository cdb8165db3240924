package broker

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"sensorgate/broker/budget"
	"sensorgate/internal/mqtt"
)

// TestStorm: 50 clients fight over 5 ids, subscribe, unsubscribe, publish, retain and die
// in the middle of QoS 2, while two others exchange messages: exactly once, in order.
// SENSORGATE_STORM=1m makes it a minute.
func TestStorm(t *testing.T) {
	length := 2 * time.Second
	if v := os.Getenv("SENSORGATE_STORM"); v != "" {
		var err error
		if length, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	b := start(t)
	quit := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r := rand.New(rand.NewPCG(1, uint64(i)))
			for !over(quit) {
				fight(b, r)
			}
		}()
	}
	sub := connect(t, b, mqtt.Level5, "witness", persistent)
	sub.subscribe("w/+", 2)
	pub := connect(t, b, mqtt.Level311, "speaker", persistent)
	received := make(chan int, 1)
	go func() { received <- sub.receiveExactly() }()
	sent := pub.speak(time.Now().Add(length))
	close(quit)
	wg.Wait()
	pub.publish("w/end", "", 1, 60000) // wakes the receiver up for the last time
	pub.wantAck(mqtt.PUBACK, 60000)
	if got := <-received; got != sent {
		t.Errorf("%d messages sent, %d received", sent, got)
	}
	t.Logf("%d messages of the witnesses, %d connections", sent, b.Stats().Connections)
	sub.disconnect()
	pub.disconnect()
	waitFor(t, "all connections are gone", func() bool { return b.Stats().Clients == 0 })
	if n := b.memory.UsedFor(budget.Buffers); n != 0 {
		t.Errorf("%d bytes are still counted as waiting", n)
	}
}

func over(quit chan struct{}) bool {
	select {
	case <-quit:
		return true
	default:
		return false
	}
}

// waitFor polls: what other goroutines of the broker do on their own has no event.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within 30 s: " + what)
		}
	}
}

// fight is one short life of a client that wants no good.
func fight(b *Broker, r *rand.Rand) {
	nc, err := net.Dial("tcp", b.Addrs()[0].String())
	if err != nil {
		return
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(time.Second))
	level := []byte{mqtt.Level311, mqtt.Level5}[r.IntN(2)]
	con := &mqtt.Connect{Level: level, ClientID: fmt.Sprint("fighter", r.IntN(5)), CleanStart: r.IntN(2) == 0, KeepAlive: 10}
	if level == mqtt.Level5 {
		con.SessionExpiry = uint32(r.IntN(2)) * 100
		con.ReceiveMaximum = uint16(r.IntN(5))
		con.TopicAliasMax = uint16(r.IntN(3))
	}
	if r.IntN(3) == 0 {
		con.Will = &mqtt.Will{Topic: "storm/will", QoS: byte(r.IntN(3)), Retain: true, Delay: uint32(r.IntN(2))}
	}
	out := mqtt.AppendConnect(nil, con)
	for range r.IntN(20) {
		out = misbehave(out, level, r)
	}
	cut := len(out)
	if r.IntN(2) == 0 {
		cut = r.IntN(len(out)) // dies in the middle of a packet
	}
	if _, err := nc.Write(out[:cut]); err != nil {
		return
	}
	buf := make([]byte, 4096)
	for range r.IntN(4) {
		if _, err := nc.Read(buf); err != nil {
			return
		}
	}
}

func misbehave(out []byte, level byte, r *rand.Rand) []byte {
	topic := fmt.Sprint("storm/", r.IntN(4))
	id := uint16(r.IntN(10) + 1)
	switch r.IntN(8) {
	case 0, 1:
		filter := []string{topic, "storm/#", "storm/+", "$share/g/storm/#", "#"}[r.IntN(5)]
		return mqtt.AppendSubscribe(out, level, mqtt.Subscribe{ID: id, Filters: []mqtt.Subscription{{Filter: filter, QoS: byte(r.IntN(3))}}})
	case 2:
		return mqtt.AppendUnsubscribe(out, level, id, []string{topic, "storm/#"})
	case 3:
		return mqtt.AppendAck(out, []mqtt.Type{mqtt.PUBACK, mqtt.PUBREC, mqtt.PUBREL, mqtt.PUBCOMP}[r.IntN(4)], level, id, mqtt.Success)
	default:
		qos := byte(r.IntN(3))
		return mqtt.AppendPublish(out, level, mqtt.PublishFlags(qos, qos > 0 && r.IntN(2) == 0, r.IntN(3) == 0), topic, id, nil, make([]byte, r.IntN(300)))
	}
}

// speak publishes numbered messages at QoS 2 until the deadline, 20 at a time.
func (c *client) speak(deadline time.Time) (sent int) {
	for time.Now().Before(deadline) {
		var out []byte
		for range 20 {
			payload := binary.BigEndian.AppendUint32(nil, uint32(sent))
			out = mqtt.AppendPublish(out, c.level, 4, "w/1", uint16(sent%50000)+1, nil, payload)
			sent++
		}
		c.write(out)
		for done := 0; done < 20; {
			f, err := c.next()
			if err != nil {
				c.t.Error("speaker:", err)
				return sent
			}
			switch f.Type {
			case mqtt.PUBREC:
				c.ack(mqtt.PUBREL, binary.BigEndian.Uint16(f.Body))
			case mqtt.PUBCOMP:
				done++
			default:
				c.t.Errorf("speaker got %v", f.Type)
			}
		}
	}
	return sent
}

// receiveExactly counts numbered messages and wants each once and in order, until the
// one on w/end.
func (c *client) receiveExactly() (n int) {
	for {
		f, err := c.next()
		if err != nil {
			c.t.Error("witness:", err)
			return n
		}
		switch f.Type {
		case mqtt.PUBREL:
			c.ack(mqtt.PUBCOMP, binary.BigEndian.Uint16(f.Body))
			continue
		case mqtt.PUBLISH:
		default:
			c.t.Errorf("witness got %v", f.Type)
			continue
		}
		var p mqtt.Publish
		if err := mqtt.ParsePublish(f, c.level, &p); err != nil {
			c.t.Error(err)
			return n
		}
		if string(p.Topic) == "w/end" {
			c.ack(mqtt.PUBACK, p.ID)
			return n
		}
		if number(p) != n {
			c.t.Errorf("message %d came when %d was due", number(p), n)
			return n
		}
		n++
		c.ack(mqtt.PUBREC, p.ID)
	}
}
