package broker

import (
	"context"
	"fmt"
	"testing"

	"sensorgate/internal/mqtt"
)

func eachLevel(t *testing.T, f func(t *testing.T, level byte)) {
	for _, level := range []byte{mqtt.Level31, mqtt.Level311, mqtt.Level5} {
		t.Run(fmt.Sprintf("level%d", level), func(t *testing.T) { f(t, level) })
	}
}

func TestPublishSubscribeAllQoS(t *testing.T) {
	eachLevel(t, func(t *testing.T, level byte) {
		b := start(t)
		for qos := byte(0); qos <= 2; qos++ {
			sub := connect(t, b, level, "sub")
			sub.subscribe("a/+", qos)
			pub := connect(t, b, level, "pub")
			pub.publish("a/b", "hello", 2, 7)
			pub.wantAck(mqtt.PUBREC, 7)
			pub.ack(mqtt.PUBREL, 7)
			pub.wantAck(mqtt.PUBCOMP, 7)
			m := sub.want("a/b", "hello")
			if m.QoS != qos || m.Dup || m.Retain {
				t.Errorf("got %+v, want QoS %d", m, qos)
			}
			switch qos {
			case 1:
				sub.ack(mqtt.PUBACK, m.ID)
			case 2:
				sub.ack(mqtt.PUBREC, m.ID)
				sub.wantAck(mqtt.PUBREL, m.ID)
				sub.ack(mqtt.PUBCOMP, m.ID)
			}
			sub.ping()
		}
	})
}

func TestPersistentSessionGetsWhatCameWhileAway(t *testing.T) {
	eachLevel(t, func(t *testing.T, level byte) {
		b := start(t)
		sub := connect(t, b, level, "keeper", persistent)
		sub.subscribe("q/#", 1)
		sub.disconnect()
		pub := connect(t, b, level, "pub")
		for i := range 100 {
			pub.publish("q/1", fmt.Sprint(i), 1, uint16(i+1))
			pub.wantAck(mqtt.PUBACK, uint16(i+1))
		}
		sub = dial(t, b, level)
		if ack := sub.handshake("keeper", persistent); level != mqtt.Level31 && !ack.SessionPresent {
			t.Error("session not present")
		}
		for i := range 100 {
			m := sub.want("q/1", fmt.Sprint(i))
			if i < 50 {
				sub.ack(mqtt.PUBACK, m.ID)
			}
		}
		sub.ping()
		_ = sub.nc.Close()
		sub = dial(t, b, level)
		sub.handshake("keeper", persistent)
		for i := 50; i < 100; i++ {
			m := sub.want("q/1", fmt.Sprint(i))
			if !m.Dup {
				t.Fatalf("message %d sent again without DUP", i)
			}
			sub.ack(mqtt.PUBACK, m.ID)
		}
		sub.ping()
		pub.publish("q/1", "live", 1, 200)
		sub.want("q/1", "live")
	})
}

func TestRetained(t *testing.T) {
	eachLevel(t, func(t *testing.T, level byte) {
		b := start(t)
		if err := b.Publish(context.Background(), mqtt.Message{Topic: "r/x", Payload: []byte("1"), QoS: 1, Retain: true}); err != nil {
			t.Fatal(err)
		}
		for _, session := range []func(*mqtt.Connect){func(*mqtt.Connect) {}, persistent} {
			for _, filter := range []string{"r/x", "r/+", "#", "r/x/#"} {
				sub := connect(t, b, level, "sub", session)
				// SUBACK and retained message may come in any order (3.8.4).
				sub.write(mqtt.AppendSubscribe(nil, level, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: filter, QoS: 1}}}))
				m, _ := sub.messageAnd(mqtt.SUBACK)
				if !m.Retain || m.QoS != 1 || string(m.Payload) != "1" {
					t.Errorf("%s: got %+v, want retained QoS 1", filter, m)
				}
				_ = sub.nc.Close()
			}
		}
	})
}

func TestWillAndLocalSubscriber(t *testing.T) {
	b := start(t)
	got := make(chan *mqtt.Message, 10)
	cancel := b.Subscribe("will/#", func(m *mqtt.Message) { got <- m })
	defer cancel()
	c := connect(t, b, mqtt.Level311, "dies", func(con *mqtt.Connect) {
		con.Will = &mqtt.Will{Topic: "will/dies", Payload: []byte("gone"), QoS: 1}
	})
	_ = c.nc.Close()
	if m := <-got; string(m.Payload) != "gone" || m.Origin != "client/dies" {
		t.Errorf("got %+v", m)
	}
}
