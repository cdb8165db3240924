package broker

import (
	"context"
	"errors"
	"testing"
	"time"

	"sensorgate/internal/mqtt"
)

func TestSessionsAreListedAndRemoved(t *testing.T) {
	b := start(t)
	got := make(chan *mqtt.Message, 1)
	defer b.Subscribe("will", func(m *mqtt.Message) { got <- m })()
	away := connect(t, b, mqtt.Level5, "away", func(c *mqtt.Connect) {
		c.SessionExpiry = 1000
		c.Will = &mqtt.Will{Topic: "will", Payload: []byte("gone"), Delay: 900}
	})
	away.subscribe("a/#", 1)
	_ = away.nc.Close()
	here := connect(t, b, mqtt.Level311, "here", persistent)
	here.subscribe("b", 0)
	clean := connect(t, b, mqtt.Level311, "clean")
	for clean.publish("a/1", "x", 1, 1); ; clean.publish("a/1", "x", 1, 1) {
		clean.wantAck(mqtt.PUBACK, 1)
		if i := b.Sessions()[0]; !i.Connected { // its end has been noticed
			break
		}
	}
	list := b.Sessions()
	if len(list) != 3 || list[0].Client != "away" || list[1].Client != "clean" || list[2].Client != "here" {
		t.Fatalf("sessions are %+v", list)
	}
	if i := list[0]; i.Connected || !i.Persistent || i.Subscriptions != 1 || i.Waiting == 0 || i.Gone.IsZero() || i.Expires.Sub(i.Gone) != 1000*time.Second {
		t.Errorf("away is %+v", i)
	}
	if i := list[1]; !i.Connected || i.Persistent || i.Address == "" {
		t.Errorf("clean is %+v", i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, id := range []string{"away", "here"} {
		if err := b.RemoveSession(ctx, id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
		if err := b.RemoveSession(ctx, id); !errors.Is(err, ErrNoSession) {
			t.Errorf("%s again: %v", id, err)
		}
	}
	here.closed()
	if m := <-got; string(m.Payload) != "gone" {
		t.Errorf("the will of the removed session is %s", m.Payload)
	}
	if names := b.journal.Queues("session/"); len(names) != 0 {
		t.Errorf("queues left: %v", names)
	}
	c := dial(t, b, mqtt.Level311)
	if ack := c.handshake("here", persistent); ack.SessionPresent {
		t.Error("the removed session is present")
	}
}
