package broker

import (
	"testing"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// publishExactly sends a message of QoS 2 and returns the reason of its PUBREC.
func (c *client) publishExactly(topic, payload string, id uint16, dup bool) mqtt.Reason {
	c.t.Helper()
	c.write(mqtt.AppendPublish(nil, mqtt.Level5, mqtt.PublishFlags(2, dup, false), topic, id, nil, []byte(payload)))
	a, err := mqtt.ParseAck(c.frame(mqtt.PUBREC), mqtt.Level5)
	if err != nil || a.ID != id {
		c.t.Fatalf("PUBREC %+v, %v", a, err)
	}
	return a.Reason
}

func (c *client) release(id uint16) {
	c.t.Helper()
	c.ack(mqtt.PUBREL, id)
	c.wantAck(mqtt.PUBCOMP, id)
}

func wantWaiting(t *testing.T, b *Broker, queue string, want uint64) {
	t.Helper()
	q, err := b.journal.OpenQueue(queue, journal.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if n := q.Stats().Waiting; n != want {
		t.Errorf("%d messages wait in %s, want %d", n, queue, want)
	}
}

// A message of QoS 2 that goes to a group and to others: when its PUBREL has come, nothing of it
// waits in the queue that remembers packet ids. What stayed there filled the journal.
func TestWhatAGroupGotToIsForgottenWithItsPubrel(t *testing.T) {
	inBubble(t, func(t *testing.T, p *piper) {
		member := p.connect(mqtt.Level5, "member", persistent)
		member.subscribe("$share/g/t", 2)
		alone := p.connect(mqtt.Level5, "alone", persistent)
		alone.subscribe("t", 2)
		member.disconnect()
		alone.disconnect()
		pub := p.connect(mqtt.Level5, "pub", persistent)
		for id := uint16(1); id <= 3; id++ {
			if r := pub.publishExactly("t", "x", id, false); r != mqtt.Success {
				t.Fatalf("PUBREC %v", r)
			}
			pub.release(id)
		}
		time.Sleep(time.Second)
		wantWaiting(t, p.b, queueIn+"pub", 0)
		wantWaiting(t, p.b, queueOut+"member", 3)
		wantWaiting(t, p.b, queueOut+"alone", 3)
		for _, id := range []string{"member", "alone"} {
			c := p.connect(mqtt.Level5, id, persistent)
			for range 3 {
				c.want("t", "x")
			}
			c.ping()
		}
	})
}

// What only a group gets is remembered over a power cut too: repeated, it is the same message.
func TestQoS2ToAGroupAloneIsOnceOverAPowerCut(t *testing.T) {
	inLives(t, func(l *lives) {
		l.live(func(p *piper) {
			member := p.connect(mqtt.Level5, "member", persistent)
			member.subscribe("$share/g/t", 2)
			member.disconnect()
			p.connect(mqtt.Level5, "pub", persistent).publishExactly("t", "x", 7, false)
		})
		l.live(func(p *piper) {
			pub := p.connect(mqtt.Level5, "pub", persistent)
			pub.publishExactly("t", "x", 7, true) // its PUBREC got lost with the power
			pub.release(7)
			member := p.connect(mqtt.Level5, "member", persistent)
			m := member.want("t", "x")
			member.ack(mqtt.PUBREC, m.ID)
			member.frame(mqtt.PUBREL)
			member.ack(mqtt.PUBCOMP, m.ID)
			member.ping()
		})
	})
}

// A spool that refuses refuses for all: nobody has the message, and its packet id is free for
// another one, also after a power cut.
func TestMessageRefusedByASpoolGoesToNoGroup(t *testing.T) {
	inLives(t, func(l *lives) {
		refuseAll := func(p *piper) {
			q, err := p.b.journal.OpenQueue("spool/x", journal.Limits{Bytes: 10, Full: journal.Refuse})
			if err != nil {
				t.Fatal(err)
			}
			p.b.Attach("x", []string{"both"}, q)
		}
		l.live(func(p *piper) {
			refuseAll(p)
			for _, id := range []string{"m1", "m2"} {
				c := p.connect(mqtt.Level5, id, persistent)
				c.subscribe("$share/"+id+"/+", 2)
				c.subscribe("+", 2)
				c.disconnect()
			}
			pub := p.connect(mqtt.Level5, "pub", persistent)
			if r := pub.publishExactly("both", "too long for ten bytes", 3, false); r != mqtt.QuotaExceeded {
				t.Errorf("PUBREC %v, want quota exceeded", r)
			}
			wantWaiting(t, p.b, queueOut+"m1", 0)
			wantWaiting(t, p.b, queueOut+"m2", 0)
			wantWaiting(t, p.b, queueIn+"pub", 0)
		})
		l.live(func(p *piper) {
			refuseAll(p)
			pub := p.connect(mqtt.Level5, "pub", persistent)
			if r := pub.publishExactly("other", "x", 3, false); r != mqtt.Success {
				t.Errorf("PUBREC %v", r)
			}
			pub.release(3)
			wantWaiting(t, p.b, queueOut+"m1", 2) // by itself and by its group
		})
	})
}

// What the end of a connection has to tidy up is done later; a group passes the client over at once.
func TestGroupPassesOverWhoHasDisconnected(t *testing.T) {
	b := start(t)
	var members []*client
	for _, id := range []string{"a", "b"} {
		c := connect(t, b, mqtt.Level5, id)
		c.subscribe("$share/g/work", 1)
		members = append(members, c)
	}
	begun, goOn := make(chan struct{}), make(chan struct{})
	for range maxQuick {
		b.doIn(&b.aside.quick, maxQuick, func(*worker) { close(begun); <-goOn })
	}
	<-begun
	defer close(goOn)
	members[0].disconnect()
	pub := connect(t, b, mqtt.Level311, "pub")
	pub.pour("work", 0, 4, 4)
	for i := range 4 {
		m := members[1].message()
		if number(m) != i {
			t.Fatalf("got %d, want %d", number(m), i)
		}
		members[1].ack(mqtt.PUBACK, m.ID)
	}
	for _, s := range b.Sessions() {
		if s.Client == "a" {
			t.Error("who has disconnected has a session")
		}
	}
}
