package broker

import (
	"bytes"
	"fmt"
	"testing"

	"sensorgate/internal/mqtt"
	"sensorgate/internal/timing"
)

// crowd is a message of its own size to each of many subscribers: more than a turn sends.
const crowd = 3 * fanOutBytes / (64 << 10)

func bigPayload(i int) string {
	return fmt.Sprintf("%06d", i) + string(bytes.Repeat([]byte{'x'}, 64<<10))
}

// gather has n subscribers that have subscribed to "fan" with QoS 0 and 1 in turn.
func gather(t *testing.T, b *Broker, n int) (subs []*client) {
	for i := range n {
		var level byte = mqtt.Level311
		if i%3 == 0 {
			level = mqtt.Level5
		}
		s := connect(t, b, level, fmt.Sprint("sub", i))
		s.subscribe("fan", byte(i%2))
		subs = append(subs, s)
	}
	return subs
}

// wantInOrder reads messages 0 … n-1, each once.
func (c *client) wantInOrder(n int) {
	c.t.Helper()
	for i := range n {
		p := c.message()
		if want := bigPayload(i); string(p.Payload) != want {
			c.t.Fatalf("message %d begins with %.8q and has %d bytes", i, p.Payload, len(p.Payload))
		}
		if p.QoS == 1 {
			c.ack(mqtt.PUBACK, p.ID)
		}
	}
}

// A turn that is over leaves the rest of the subscribers for the next one, and nothing
// else of the publisher is handled before all have it.
func TestOneMessageToManySubscribersIsSentInTurns(t *testing.T) {
	if timing.Race {
		t.Skip("the test stands in for an event loop that is idle, which the race detector cannot know")
	}
	b := start(t)
	subs := gather(t, b, crowd)
	pub := connect(t, b, mqtt.Level5, "pub")
	pub.ping() // all CONNECTs are handled
	c := b.sessions["pub"].conn
	w := newWorker(b)
	w.begin()
	w.until, w.at = w.now, c // the turn is over whenever it is looked
	two := mqtt.AppendPublish(nil, mqtt.Level5, 0, "fan", 0, nil, []byte(bigPayload(0)))
	two = mqtt.AppendPublish(two, mqtt.Level5, 0, "fan", 0, nil, []byte(bigPayload(1)))
	turns, used := 0, 0
	for ; used < len(two) || c.more; turns++ {
		n, _, err := c.input(w, two[used:])
		if err != nil || turns > 4*crowd {
			t.Fatalf("turn %d: %v", turns, err)
		}
		if used += n; c.fan != nil && len(c.fan.to) > crowd {
			t.Fatalf("%d are still to get it, of %d", len(c.fan.to), crowd)
		}
	}
	w.at = nil
	w.finish()
	if each := fanOutSlice / (64 << 10); turns < 2*crowd/(each+1) {
		t.Errorf("two messages for %d subscribers took %d turns", crowd, turns)
	}
	for _, s := range subs {
		s.wantInOrder(2)
	}
	if got := b.sessions["pub"].account.Used(); got > 64<<10 {
		t.Errorf("the publisher is charged %d bytes for what is sent", got)
	}
}

// Over real connections: in order, once, and also when the publisher leaves at once. The
// durable subscriber has it from its record.
func TestMessagesToManySubscribersKeepTheirOrder(t *testing.T) {
	b := start(t)
	subs := gather(t, b, crowd)
	durable := connect(t, b, mqtt.Level311, "durable", func(c *mqtt.Connect) { c.CleanStart = false })
	durable.subscribe("fan", 1)
	subs = append(subs, durable)
	pub := connect(t, b, mqtt.Level311, "pub")
	const n = 4
	for i := range n {
		pub.publish("fan", bigPayload(i), byte(i%2), uint16(1+i))
	}
	pub.write(mqtt.AppendDisconnect(nil, mqtt.Level311, mqtt.Success, ""))
	for _, s := range subs {
		if s != durable {
			s.wantInOrder(n)
		}
	}
	for _, i := range []int{1, 3} { // QoS 0 comes before or behind its QoS 1, from another way
		for {
			if p := durable.message(); p.QoS == 1 {
				if string(p.Payload) != bigPayload(i) {
					t.Errorf("the durable subscriber has %.8q, want %d", p.Payload, i)
				}
				durable.ack(mqtt.PUBACK, p.ID)
				break
			}
		}
	}
}
