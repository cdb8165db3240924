package broker

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"sensorgate/internal/mqtt"
)

func (c *client) subscribe5(id uint32, s mqtt.Subscription) {
	c.t.Helper()
	c.write(mqtt.AppendSubscribe(nil, c.level, mqtt.Subscribe{ID: 1, SubscriptionID: id, Filters: []mqtt.Subscription{s}}))
	_, codes, err := mqtt.ParseSuback(c.frame(mqtt.SUBACK), c.level)
	if err != nil || codes[0] > 2 {
		c.t.Fatalf("SUBACK %v, %v", codes, err)
	}
}

func TestSharedSubscription(t *testing.T) { // 4.8.2
	b := start(t)
	var members []*client
	for i := range 3 {
		c := connect(t, b, mqtt.Level5, fmt.Sprint("m", i))
		c.subscribe5(uint32(i+1), mqtt.Subscription{Filter: "$share/g/work/#", QoS: 1})
		members = append(members, c)
	}
	alone := connect(t, b, mqtt.Level311, "alone")
	alone.subscribe("work/#", 1)
	pub := connect(t, b, mqtt.Level311, "pub")
	pub.pour("work/1", 0, 30, 10)
	for i := range 30 {
		if m := alone.message(); number(m) != i {
			t.Fatalf("the one that shares with nobody got %d, want %d", number(m), i)
		}
	}
	for i, c := range members { // each in turn
		for range 10 {
			m := c.message()
			id := uint32(0)
			m.EachSubscriptionID(func(n uint32) { id = n })
			if id != uint32(i+1) {
				t.Errorf("subscription identifier %d, want %d", id, i+1)
			}
			c.ack(mqtt.PUBACK, m.ID)
		}
		c.ping()
	}
	// Who is gone gets none, and none is lost.
	members[0].disconnect()
	members[1].disconnect()
	pub.pour("work/1", 0, 10, 10)
	for i := range 10 {
		if m := members[2].message(); number(m) != i {
			t.Fatalf("got %d, want %d", number(m), i)
		} else {
			members[2].ack(mqtt.PUBACK, m.ID)
		}
	}
}

func TestSharedSubscriptionOfPersistentSessions(t *testing.T) {
	b := start(t)
	c := connect(t, b, mqtt.Level5, "m", persistent)
	c.subscribe5(0, mqtt.Subscription{Filter: "$share/g/work", QoS: 1})
	c.subscribe5(0, mqtt.Subscription{Filter: "work", QoS: 1})
	c.disconnect()
	connect(t, b, mqtt.Level311, "pub").pour("work", 0, 10, 10)
	c = connect(t, b, mqtt.Level5, "m", persistent)
	for i := range 20 { // each once by itself and once by the group
		if m := c.message(); number(m) != i/2 {
			t.Fatalf("got %d, want %d", number(m), i/2)
		} else {
			c.ack(mqtt.PUBACK, m.ID)
		}
	}
	c.ping()
}

func TestRetainHandlingAndRetainAsPublished(t *testing.T) { // 3.8.3.1
	b := start(t)
	for _, topic := range []string{"r/1", "r/2"} {
		if err := b.Publish(context.Background(), mqtt.Message{Topic: topic, Payload: []byte("old"), Retain: true}); err != nil {
			t.Fatal(err)
		}
	}
	c := connect(t, b, mqtt.Level5, "c")
	c.subscribe5(0, mqtt.Subscription{Filter: "r/1", RetainHandling: 1})
	c.want("r/1", "old")
	c.subscribe5(0, mqtt.Subscription{Filter: "r/1", RetainHandling: 1})
	c.ping() // it was there already
	c.subscribe5(0, mqtt.Subscription{Filter: "r/2", RetainHandling: 2, RetainAsPub: true})
	c.ping()
	for _, topic := range []string{"r/1", "r/2"} {
		if err := b.Publish(context.Background(), mqtt.Message{Topic: topic, Payload: []byte("new"), Retain: true}); err != nil {
			t.Fatal(err)
		}
		if m := c.want(topic, "new"); m.Retain != (topic == "r/2") {
			t.Errorf("%s: retain %v", topic, m.Retain)
		}
	}
}

func TestTopicAliasesTowardsTheClient(t *testing.T) { // [MQTT-3.1.2-26]
	b := start(t)
	c := connect(t, b, mqtt.Level5, "c", func(c *mqtt.Connect) { c.TopicAliasMax = 2 })
	c.subscribe("#", 0)
	pub := connect(t, b, mqtt.Level311, "pub")
	known := map[uint16]string{}
	for i, topic := range []string{"a", "b", "c", "a", "b", "c"} {
		pub.publish(topic, "x", 0, 0)
		m := c.message()
		got := string(m.Topic)
		if m.Alias > 2 {
			t.Fatalf("alias %d, the maximum is 2", m.Alias)
		}
		if got == "" {
			got = known[m.Alias]
		} else if m.Alias > 0 {
			known[m.Alias] = got
		}
		if got != topic {
			t.Errorf("got %q, want %q", got, topic)
		}
		if short := len(m.Topic) == 0; short != (i == 3 || i == 4) {
			t.Errorf("message %d: topic left out: %v", i, short)
		}
	}
}

func TestMaximumPacketSizeOfTheClient(t *testing.T) { // [MQTT-3.1.2-24, 3.1.2-25]
	for name, session := range map[string]func(*mqtt.Connect){"clean": func(*mqtt.Connect) {}, "persistent": persistent} {
		b := start(t)
		c := connect(t, b, mqtt.Level5, "c", session, func(c *mqtt.Connect) { c.MaximumPacket = 100 })
		c.subscribe("a", 1)
		pub := connect(t, b, mqtt.Level5, "pub")
		for i, size := range []int{200, 10, 200, 11} {
			pub.publish("a", strings.Repeat("x", size), 1, uint16(i+1))
			pub.wantAck(mqtt.PUBACK, uint16(i+1))
		}
		for _, size := range []int{10, 11} {
			if m := c.message(); len(m.Payload) != size {
				t.Errorf("%s: %d bytes, want %d", name, len(m.Payload), size)
			} else {
				c.ack(mqtt.PUBACK, m.ID)
			}
		}
		c.ping()
		if n := b.Stats().DroppedTooLarge; n != 2 {
			t.Errorf("%s: %d counted as too large, want 2", name, n)
		}
	}
}

func TestTakeOverTellsTheOldClient(t *testing.T) { // [MQTT-3.1.4-3]
	b := start(t)
	old := connect(t, b, mqtt.Level5, "same")
	connect(t, b, mqtt.Level5, "same")
	if f := old.frame(mqtt.DISCONNECT); len(f.Body) == 0 || mqtt.Reason(f.Body[0]) != mqtt.SessionTakenOver {
		t.Errorf("DISCONNECT % x", f.Body)
	}
	old.closed()
}

func TestDisconnectWithWill(t *testing.T) { // 3.14.2.1
	b := start(t)
	got := make(chan *mqtt.Message, 2)
	defer b.Subscribe("will", func(m *mqtt.Message) { got <- m })()
	for _, reason := range []mqtt.Reason{mqtt.Success, mqtt.DisconnectWithWill} {
		c := connect(t, b, mqtt.Level5, "c", func(c *mqtt.Connect) { c.Will = &mqtt.Will{Topic: "will", Payload: []byte{byte(reason)}} })
		c.write(mqtt.AppendDisconnect(nil, 5, reason, ""))
		c.closed()
	}
	if m := <-got; m.Payload[0] != byte(mqtt.DisconnectWithWill) {
		t.Error("a will was published after a DISCONNECT without")
	}
}

func TestServerKeepAlive(t *testing.T) { // [MQTT-3.2.2-21]
	b := start(t, func(o *Options) { o.MaxKeepAlive = time.Minute })
	for asked, want := range map[uint16]uint16{0: 60, 30: 0, 65535: 60} {
		c := dial(t, b, mqtt.Level5)
		ack := c.handshake(fmt.Sprint(asked), func(c *mqtt.Connect) { c.KeepAlive = asked })
		if ack.HasKeepAlive != (want > 0) || ack.ServerKeepAlive != want {
			t.Errorf("asked for %d: got %v %d, want %d", asked, ack.HasKeepAlive, ack.ServerKeepAlive, want)
		}
	}
	if got := refused(t, b, mqtt.Level311, func(c *mqtt.Connect) { c.KeepAlive = 65535 }); got == mqtt.Success {
		t.Error("3.1.1: 18 hours were granted")
	}
}

func TestSessionEndsWithDisconnectExpiryZero(t *testing.T) { // 3.14.2.2.2
	b := start(t)
	c := connect(t, b, mqtt.Level5, "c", persistent)
	c.subscribe("a", 1)
	c.write([]byte{0xe0, 7, 0, 5, 0x11, 0, 0, 0, 0})
	c.closed()
	again := dial(t, b, mqtt.Level5)
	if again.handshake("c", persistent).SessionPresent {
		t.Error("the session is still there")
	}
}

func TestSys(t *testing.T) {
	b := start(t)
	c := connect(t, b, mqtt.Level311, "c")
	c.write(mqtt.AppendSubscribe(nil, 4, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: "$SYS/broker/version"}}}))
	m, _ := c.messageAnd(mqtt.SUBACK)
	if !m.Retain || string(m.Payload) != "sensorgate version test" {
		t.Errorf("got %+v", m)
	}
	c.write(mqtt.AppendSubscribe(nil, 4, mqtt.Subscribe{ID: 2, Filters: []mqtt.Subscription{{Filter: "$SYS/broker/clients/+"}}}))
	seen := map[string]string{}
	for f, _ := c.next(); f.Type == mqtt.PUBLISH || f.Type == mqtt.SUBACK; f, _ = c.next() {
		if f.Type == mqtt.SUBACK {
			c.write([]byte{0xc0, 0})
			continue
		}
		var p mqtt.Publish
		if err := mqtt.ParsePublish(f, 4, &p); err != nil {
			t.Fatal(err)
		}
		seen[string(p.Topic)] = string(p.Payload)
	}
	if seen["$SYS/broker/clients/connected"] != "1" || seen["$SYS/broker/clients/total"] != "1" {
		t.Errorf("got %v", seen)
	}
}

func TestBridgeAsDurableConsumer(t *testing.T) {
	j := memoryJournal(t)
	b := start(t, func(o *Options) { o.Journal = j })
	q, err := j.OpenQueue("spool/cloud", limitsForTest)
	if err != nil {
		t.Fatal(err)
	}
	b.Attach("cloud", []string{"out/#", "out/+"}, q)
	for _, origin := range []string{"", "bridge/cloud", "bridge/other"} {
		if err := b.Publish(context.Background(), mqtt.Message{Topic: "out/1", Payload: []byte(origin), QoS: 1, Origin: origin}); err != nil {
			t.Fatal(err)
		}
	}
	connect(t, b, mqtt.Level311, "pub").pour("out/2", 0, 3, 3)
	items, err := q.Read(0, 100, nil)
	if err != nil || len(items) != 5 {
		t.Fatalf("%d records, %v; want 5: all but what the bridge itself brought in, once each", len(items), err)
	}
	if m, err := mqtt.ParseRecord(items[1].Data); err != nil || m.Origin != "bridge/other" {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err := mqtt.ParseRecord(items[2].Data); err != nil || m.Origin != "client/pub" || m.Topic != "out/2" || m.Time.IsZero() {
		t.Errorf("%+v, %v", m, err)
	}
	b.Attach("cloud", []string{"other"}, q)
	connect(t, b, mqtt.Level311, "pub").pour("out/2", 0, 3, 3)
	b.Detach("cloud")
	connect(t, b, mqtt.Level311, "pub").pour("other", 0, 3, 3)
	if n := q.Stats().Waiting; n != 5 {
		t.Errorf("%d records wait, want 5 still", n)
	}
}

// TestRefuse: a spool with the policy refuse that is full is reported to the publisher: with
// a reason at level 5, by closing at 3.1.1, where nothing else can say "not taken".
func TestRefuse(t *testing.T) {
	j := memoryJournal(t)
	b := start(t, func(o *Options) { o.Journal = j })
	full := limitsForTest
	full.Bytes, full.Full = 10, refuse
	q, err := j.OpenQueue("spool/x", full)
	if err != nil {
		t.Fatal(err)
	}
	b.Attach("x", []string{"#"}, q)
	c := connect(t, b, mqtt.Level5, "c5")
	c.publish("a", "too long for ten bytes", 1, 1)
	if a, _ := mqtt.ParseAck(c.frame(mqtt.PUBACK), 5); a.Reason != mqtt.QuotaExceeded {
		t.Errorf("level 5: %v", a.Reason)
	}
	c.ping()
	c = connect(t, b, mqtt.Level311, "c4")
	c.publish("a", "too long for ten bytes", 1, 1)
	c.closed()
	if err := b.Publish(context.Background(), mqtt.Message{Topic: "a", Payload: make([]byte, 20)}); err == nil {
		t.Error("our own publisher is not told")
	}
}
