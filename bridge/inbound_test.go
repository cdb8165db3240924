package bridge

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

func in(local, remote string, qos byte) Rule {
	return Rule{In: true, Local: local, Remote: remote, QoS: qos, Retain: true}
}

// nothing checks that no message came down to our broker.
func (g *gateway) nothing() {
	g.t.Helper()
	synctest.Wait()
	select {
	case m := <-g.local:
		g.t.Errorf("our broker got %s %q", m.Topic, m.Payload)
	default:
	}
}

func TestDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rule := in("barn/{2}/{1}/set", "cmd/+/+", 1)
		rule.Expire, rule.Retain = 30*time.Second, false
		g, p := newGateway(t, options(mqtt.Level5, rule, in("news/#", "news/#", 2))), newPeer(t, mqtt.Level5)
		stop := p.serve(g)
		c := p.welcome(mqtt.Connack{})
		if !c.CleanStart {
			t.Error("the upstream would keep commands while we are away, and no rule asks for that")
		}
		s := p.subscribed()
		if f := s.Filters; len(f) != 2 || f[0].Filter != "cmd/+/+" || !f[0].NoLocal || !f[0].RetainAsPub || f[1].QoS != 2 {
			t.Errorf("subscriptions %+v", s.Filters)
		}
		id := p.sends("cmd/state/pump", "on", 1, true, nil)
		m := <-g.local
		if m.Topic != "barn/pump/state/set" || m.Origin != "bridge/up" || m.Retain || m.Properties == nil || m.Properties.MessageExpiry != 30 {
			t.Errorf("came down as %+v %+v", m, m.Properties)
		}
		if a, _ := mqtt.ParseAck(p.next(mqtt.PUBACK), p.level); a.ID != id {
			t.Errorf("acknowledged %d, want %d", a.ID, id)
		}
		// QoS 2, twice: once is enough [MQTT-4.3.3-2].
		id = p.sends("news/a", "x", 2, true, nil)
		if m = <-g.local; m.Topic != "news/a" || !m.Retain {
			t.Errorf("came down as %+v", m)
		}
		p.next(mqtt.PUBREC)
		p.write(mqtt.AppendPublish(nil, p.level, mqtt.PublishFlags(2, true, true), "news/a", id, nil, []byte("x")))
		p.next(mqtt.PUBREC)
		p.ack(mqtt.PUBREL, id, 0)
		p.next(mqtt.PUBCOMP)
		g.nothing()
		// A subscription of an earlier configuration is acknowledged and goes no further.
		p.sends("elsewhere", "x", 1, false, nil)
		p.next(mqtt.PUBACK)
		g.nothing()
		stopAll(p, stop)
		if s := g.bridge.Status(); s.Received != 2 || s.Ignored != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// A command that waited in the session which the upstream keeps for other reasons is an
// command of yesterday.
func TestStaleOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queued := in("keep/#", "keep/#", 1)
		queued.Queue = true
		g, p := newGateway(t, options(mqtt.Level311, in("now/#", "now/#", 1), queued)), newPeer(t, mqtt.Level311)
		stop := p.serve(g)
		c := p.welcome(mqtt.Connack{SessionPresent: true})
		if c.CleanStart {
			t.Error("a rule wants the upstream to keep our session")
		}
		s, _ := mqtt.ParseSubscribe(p.next(mqtt.SUBSCRIBE), p.level)
		p.sends("now/a", "yesterday", 1, false, nil)
		p.next(mqtt.PUBACK)
		g.nothing()
		p.sends("keep/a", "yesterday", 1, false, nil)
		if m := <-g.local; m.Topic != "keep/a" {
			t.Errorf("got %s", m.Topic)
		}
		p.next(mqtt.PUBACK)
		p.write(mqtt.AppendSuback(nil, mqtt.SUBACK, p.level, s.ID, []mqtt.Reason{1, 1}))
		p.sends("now/a", "today", 1, false, nil)
		if m := <-g.local; string(m.Payload) != "today" {
			t.Errorf("got %s", m.Payload)
		}
		p.next(mqtt.PUBACK)
		stopAll(p, stop)
	})
}

// What came down never goes up again, and what the bridge fetches it never sends.
func TestInBeatsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := newGateway(t, options(mqtt.Level311, out("barn/#", "barn/#", 1), in("barn/+/set", "barn/+/set", 1))), newPeer(t, mqtt.Level311)
		stop := p.serve(g)
		p.welcome(mqtt.Connack{})
		p.subscribed()
		g.publish("barn/pump/set", "on", 1, false) // by somebody here
		g.send(mqtt.Message{Topic: "barn/x", Origin: "bridge/up", QoS: 1})
		g.publish("barn/pump", "on", 1, false)
		p.takes("barn/pump", "on")
		synctest.Wait()
		if s := g.bridge.Status(); s.Waiting != 0 {
			t.Errorf("%d wait for nothing", s.Waiting)
		}
		stopAll(p, stop)
	})
}

// On MQTT 3.1.1 the upstream sends us what we send under a "both" rule.
func TestEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		both := Rule{In: true, Out: true, Local: "shared/#", Remote: "up/#", QoS: 1, Retain: true}
		g, p := newGateway(t, options(mqtt.Level311, both)), newPeer(t, mqtt.Level311)
		stop := p.serve(g)
		p.welcome(mqtt.Connack{})
		p.subscribed()
		g.publish("shared/light", "on", 1, false)
		p.takes("up/light", "on")
		p.sends("up/light", "on", 1, false, nil) // the echo
		p.next(mqtt.PUBACK)
		g.nothing()
		p.sends("up/light", "on", 1, false, nil) // the same word from somebody else
		p.next(mqtt.PUBACK)
		if m := <-g.local; m.Topic != "shared/light" {
			t.Errorf("got %s", m.Topic)
		}
		stopAll(p, stop)
	})
}

// MQTT 5 messages carry the way they took.
func TestPathEndsALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := newGateway(t, options(mqtt.Level5, in("a/#", "a/#", 1), out("b/#", "b/#", 1))), newPeer(t, mqtt.Level5)
		stop := p.serve(g)
		p.welcome(mqtt.Connack{})
		p.subscribed()
		way := func(nodes ...string) []byte {
			props := &mqtt.PublishProperties{}
			for i, n := range nodes {
				key := propVia
				if i == 0 {
					key = propID
				}
				props.User = append(props.User, mqtt.UserProperty{Key: key, Value: n})
			}
			return mqtt.AppendPublishProperties(nil, props, 0)
		}
		for _, nodes := range [][]string{{"barn"}, {"house", "barn"}, make([]string, hopsMax)} {
			p.sends("a/x", "", 1, false, way(nodes...))
			p.next(mqtt.PUBACK)
			g.nothing()
		}
		p.sends("a/x", "", 1, false, way("house", "shed"))
		p.next(mqtt.PUBACK)
		m := <-g.local
		m.Topic, m.Origin = "b/x", "bridge/other"
		g.send(m)
		_, props := p.publish()
		if !visited(props, "house") || !visited(props, "shed") || !visited(props, "barn") {
			t.Errorf("the way is not complete: %+v", props)
		}
		p.drops()
		p.welcome(mqtt.Connack{})
		p.subscribed()
		stopAll(p, stop)
	})
}

// A ring of 3.1.1 bridges has no path to look at: the same message of another bridge
// passes a few times and then no more.
func TestRingOf311Ends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := newGateway(t, options(mqtt.Level311, out("#", "#", 1))), newPeer(t, mqtt.Level311)
		stop := p.serve(g)
		p.welcome(mqtt.Connack{})
		for i := range 10 {
			g.send(mqtt.Message{Topic: "ring", Payload: []byte("round"), QoS: 1, Origin: "bridge/other"})
			g.send(mqtt.Message{Topic: "other", Payload: []byte(fmt.Sprint(i)), QoS: 1, Origin: "bridge/other"})
		}
		rings := 0
		for others := 0; others < 10; {
			m, _ := p.publish()
			p.ack(mqtt.PUBACK, m.ID, 0)
			if string(m.Topic) == "ring" {
				rings++
			} else {
				others++
			}
		}
		if rings != loopMax {
			t.Errorf("the message went round %d times, want %d", rings, loopMax)
		}
		stopAll(p, stop)
	})
}

// Our broker refuses: the upstream does not hear that all is well.
func TestRefusedByOurBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := newGateway(t, options(mqtt.Level311, in("a", "a", 1))), newPeer(t, mqtt.Level311)
		g.refuse = journal.ErrFull
		stop := p.serve(g)
		p.welcome(mqtt.Connack{})
		p.subscribed()
		p.sends("a", "x", 1, false, nil)
		p.hangsUp()
		g.refuse = nil
		p.welcome(mqtt.Connack{})
		p.subscribed()
		p.sends("a", "x", 1, false, nil)
		p.next(mqtt.PUBACK)
		stopAll(p, stop)
	})
}

// QoS 2 goes on where it was after the process died, with the same packet identifiers.
func TestExactlyOnceGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := journal.Open(journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		o := options(mqtt.Level311, out("#", "#", 2))
		o.Store = j
		g, p := newGatewayOn(t, j, o), newPeer(t, mqtt.Level311)
		stop := p.serve(g)
		if c := p.welcome(mqtt.Connack{}); c.CleanStart {
			t.Error("exactly once needs the upstream to keep our session")
		}
		g.publish("a", "1", 1, false)
		g.publish("a", "2", 1, false)
		g.publish("a", "3", 1, false)
		first, _ := p.publish()
		second, _ := p.publish()
		third, _ := p.publish()
		p.ack(mqtt.PUBREC, first.ID, 0)
		p.next(mqtt.PUBREL)
		p.ack(mqtt.PUBCOMP, first.ID, 0) // the first is complete
		p.ack(mqtt.PUBREC, second.ID, 0)
		p.next(mqtt.PUBREL) // the second is released, the third only sent
		g.bridge.SetOffline(true)
		stop()

		g = newGatewayOn(t, j, o)
		stop = p.serve(g)
		p.welcome(mqtt.Connack{SessionPresent: true})
		a, _ := mqtt.ParseAck(p.next(mqtt.PUBREL), p.level)
		if a.ID != second.ID {
			t.Errorf("released %d, want %d", a.ID, second.ID)
		}
		again, _ := p.publish()
		if again.ID != third.ID || !again.Dup || string(again.Payload) != "3" {
			t.Errorf("repeated %+v, want packet %d with DUP", again, third.ID)
		}
		p.ack(mqtt.PUBCOMP, second.ID, 0)
		p.ack(mqtt.PUBREC, third.ID, 0)
		p.next(mqtt.PUBREL)
		p.ack(mqtt.PUBCOMP, third.ID, 0)
		p.idle(time.Minute)
		if s := g.bridge.Status(); s.Waiting != 0 {
			t.Errorf("%d still wait", s.Waiting)
		}
		stopAll(p, stop)
	})
}

func FuzzLedger(f *testing.F) {
	g, _ := newLedger(nil, "x")
	g.sent(7, 9, 1, live)
	g.sent(8, 10, 0, backlog)
	g.received(8)
	g.take(5, 0)
	f.Add(g.appendLocked(nil))
	f.Add([]byte{ledgerVersion, 1, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		g, _ := newLedger(nil, "x")
		if g.parse(b) != nil {
			if len(g.out)+len(g.in) > 0 {
				t.Error("half of a damaged ledger is used")
			}
			return
		}
		again, _ := newLedger(nil, "x")
		if err := again.parse(g.appendLocked(nil)); err != nil || len(again.out) != len(g.out) || len(again.in) != len(g.in) {
			t.Errorf("what was written cannot be read: %v", err)
		}
	})
}

// More filters than some upstreams take in one packet, one of them refused.
func TestManySubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rules []Rule
		for i := range 20 {
			topic := fmt.Sprintf("in/%d", i)
			rules = append(rules, in(topic, topic, 1))
		}
		g, p := newGateway(t, withStatus(options(mqtt.Level311, rules...))), newPeer(t, mqtt.Level311)
		stop := p.serve(g)
		p.welcome(mqtt.Connack{})
		n := 0
		for range 3 {
			s, err := mqtt.ParseSubscribe(p.next(mqtt.SUBSCRIBE), p.level)
			if err != nil || len(s.Filters) > 8 {
				t.Fatalf("%d filters, %v", len(s.Filters), err)
			}
			n += len(s.Filters)
			codes := make([]mqtt.Reason, len(s.Filters))
			if n == 16 {
				codes[1] = mqtt.Unspecified
			}
			p.write(mqtt.AppendSuback(nil, mqtt.SUBACK, p.level, s.ID, codes))
		}
		p.takes("status", "online")
		if s := g.bridge.Status(); n != 20 || !strings.Contains(s.Err, "in/9") || !s.Connected {
			t.Errorf("%d filters; state %+v", n, s)
		}
		stopAll(p, stop)
	})
}
