package bridge

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/mqtt"
)

func out(local, remote string, qos byte) Rule {
	return Rule{Out: true, Local: local, Remote: remote, QoS: qos, Retain: true}
}

func options(level byte, rules ...Rule) Options {
	o := Options{Name: "up", Node: "barn", ClientID: "barn-up", URLs: []string{"mqtt://first"}, Protocol: "3.1.1", Rules: rules}
	if level == mqtt.Level5 {
		o.Protocol = "5"
	}
	return o
}

// withStatus is a bridge with a status topic: what is lost is reported beside it.
func withStatus(o Options) Options {
	o.Status = Status{Topic: "status", Online: "online", Offline: "offline"}
	return o
}

// A connection that goes silent is noticed within 30 s, or 1.5 keep-alives if that is less.
func TestSilenceIsNoticed(t *testing.T) {
	for _, tt := range []struct{ keepAlive, want time.Duration }{{60 * time.Second, 30 * time.Second}, {10 * time.Second, 15 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			o := options(mqtt.Level311)
			o.KeepAlive = tt.keepAlive
			g, p := newGateway(t, o), newPeer(t, mqtt.Level311)
			stop := p.serve(g)
			p.welcome(mqtt.Connack{})
			p.idle(45 * time.Second) // while pings are answered, all is well
			start := time.Now()
			p.hangsUp()
			if got := time.Since(start); got > tt.want {
				t.Errorf("keep-alive %v: silence noticed after %v, want at most %v", tt.keepAlive, got, tt.want)
			}
			synctest.Wait()
			if s := g.bridge.Status(); s.Connected || !strings.Contains(s.Err, "silence") {
				t.Errorf("the state does not report it: %+v", s)
			}
			stop()
		})
	}
}

// An upstream that answers pings but takes nothing is connected to anew.
func TestStallIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := newGateway(t, options(mqtt.Level311, out("#", "#", 1))), newPeer(t, mqtt.Level311)
		stop := p.serve(g)
		p.welcome(mqtt.Connack{})
		g.publish("a", "1", 1, false)
		p.publish()
		start := time.Now()
		for time.Since(start) < 2*stallTimeout {
			f, err := p.in.next()
			if err != nil {
				break
			}
			if f.Type == mqtt.PINGREQ {
				p.write([]byte{byte(mqtt.PINGRESP) << 4, 0})
			}
		}
		if got := time.Since(start); got > stallTimeout+time.Minute {
			t.Errorf("noticed after %v, want %v", got, stallTimeout)
		}
		p.welcome(mqtt.Connack{})
		p.takes("a", "1")
		stopAll(p, stop)
	})
}

// stopAll stops the bridge while the peer takes what it says at the end.
func stopAll(p *peer, stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			f, err := p.in.next()
			if err != nil {
				return
			}
			var m mqtt.Publish
			if f.Type == mqtt.PUBLISH && mqtt.ParsePublish(f, p.level, &m) == nil && m.QoS == 1 {
				p.conn.Write(mqtt.AppendAck(nil, mqtt.PUBACK, p.level, m.ID, mqtt.Success))
			}
		}
	}()
	stop()
	<-done
}

func TestOnlineOnlyWhenSubscriptionsStand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(mqtt.Level311, Rule{In: true, Local: "barn/+/set", Remote: "barn/+/set", QoS: 1})
		o.Prefix, o.Status = "sites/42/", Status{Topic: "barn/status", Online: "online", Offline: "offline"}
		g, p := newGateway(t, o), newPeer(t, mqtt.Level311)
		stop := p.serve(g)
		c := p.welcome(mqtt.Connack{})
		if w := c.Will; w == nil || w.Topic != "sites/42/barn/status" || string(w.Payload) != "offline" || !w.Retain || w.QoS != 1 {
			t.Errorf("last will %+v", c.Will)
		}
		s, err := mqtt.ParseSubscribe(p.next(mqtt.SUBSCRIBE), p.level)
		if err != nil || s.Filters[0].Filter != "barn/+/set" {
			t.Fatalf("%+v, %v", s, err)
		}
		p.idle(20 * time.Second) // not a word before the SUBACK
		p.write(mqtt.AppendSuback(nil, mqtt.SUBACK, p.level, s.ID, []mqtt.Reason{1}))
		p.takes("sites/42/barn/status", "online")
		stopped := make(chan struct{})
		go func() { stop(); close(stopped) }()
		p.takes("sites/42/barn/status", "offline")
		p.next(mqtt.DISCONNECT)
		<-stopped
	})
}

func TestReceiveMaximumHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(mqtt.Level5, out("#", "#", 1), out("+", "also/{1}", 2))
		o.Status = Status{Topic: "status", Online: "online", Offline: "offline"}
		g, p := newGateway(t, o), newPeer(t, mqtt.Level5)
		for i := range 5 {
			g.publish("a", string(rune('0'+i)), 1, false)
		}
		stop := p.serve(g)
		p.welcome(mqtt.Connack{ReceiveMaximum: 1})
		for n := 0; n < 11; n++ { // online, and five messages under two rules
			m, _ := p.publish()
			p.idle(5 * time.Second) // nothing more before the acknowledgement
			if m.QoS == 1 {
				p.ack(mqtt.PUBACK, m.ID, 0)
				continue
			}
			p.ack(mqtt.PUBREC, m.ID, 0)
			p.next(mqtt.PUBREL)
			p.idle(5 * time.Second)
			p.ack(mqtt.PUBCOMP, m.ID, 0)
		}
		synctest.Wait()
		if s := g.bridge.Status(); s.Waiting != 0 {
			t.Errorf("%d still wait", s.Waiting)
		}
		stopAll(p, stop)
	})
}

// What an upstream says it cannot do is not asked of it.
func TestUpstreamLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := newGateway(t, withStatus(options(mqtt.Level5, out("#", "#", 2)))), newPeer(t, mqtt.Level5)
		g.publish("a", strings.Repeat("x", 300), 1, true)
		g.publish("a", "small", 1, true)
		stop := p.serve(g)
		p.welcome(mqtt.Connack{MaximumQoS: 1, HasMaximumQoS: true, NoRetain: true, MaximumPacket: 200})
		p.takes("status", "online")
		m, _ := p.publish()
		if string(m.Payload) != "small" || m.QoS != 1 || m.Retain {
			t.Errorf("got %q with QoS %d, retain %v: want the small one, QoS 1, not retained", m.Payload, m.QoS, m.Retain)
		}
		p.ack(mqtt.PUBACK, m.ID, 0)
		gap, _ := p.publish()
		if !strings.Contains(string(gap.Payload), `"too large":1`) {
			t.Errorf("the lost message is not reported: %s", gap.Payload)
		}
		if s := g.bridge.Status().Gaps; s.Total != 1 || s.Unreported != 1 || s.Why["too large"] != 1 || s.Records != 0 || s.Topic != string(gap.Topic) {
			t.Errorf("before the report is acknowledged: %+v", s)
		}
		p.ack(mqtt.PUBACK, gap.ID, 0)
		synctest.Wait()
		if s := g.bridge.Status().Gaps; s.Total != 1 || s.Unreported != 0 || len(s.Why) != 0 || s.Records != 1 || s.LastReported.IsZero() {
			t.Errorf("after the report was acknowledged: %+v", s)
		}
		if w := g.bridge.Status().Will; w == nil || w.Offline != "offline" || w.Online != "online" || w.QoS != 1 || !w.Retain || !strings.HasSuffix(w.Topic, "status") {
			t.Errorf("last will %+v", w)
		}
		if s := g.bridge.Status(); s.Dropped != 1 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
		stopAll(p, stop)
	})
}

// An upstream that refuses one message for good loses that one and no other; one that
// has no room now gets it later.
func TestRefusedMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := newGateway(t, withStatus(options(mqtt.Level5, out("#", "#", 1)))), newPeer(t, mqtt.Level5)
		stop := p.serve(g)
		p.welcome(mqtt.Connack{})
		p.takes("status", "online")
		g.publish("forbidden", "1", 1, false)
		m, _ := p.publish()
		p.ack(mqtt.PUBACK, m.ID, mqtt.NotAuthorized)
		gap, _ := p.publish()
		if !strings.Contains(string(gap.Payload), `"refused":1`) {
			t.Errorf("not reported: %s", gap.Payload)
		}
		p.ack(mqtt.PUBACK, gap.ID, 0)
		g.publish("later", "2", 1, false)
		m, _ = p.publish()
		p.ack(mqtt.PUBACK, m.ID, mqtt.QuotaExceeded)
		p.hangsUp()
		p.welcome(mqtt.Connack{})
		p.takes("status", "online")
		p.takes("later", "2")
		// A message that is refused again and again without a reason is given up.
		g.publish("poison", "3", 1, false)
		for i := range refusalsMax {
			m, _ = p.publish()
			p.ack(mqtt.PUBACK, m.ID, mqtt.Unspecified)
			if i < refusalsMax-1 {
				p.hangsUp()
				p.welcome(mqtt.Connack{})
				p.takes("status", "online")
			}
		}
		if gap, _ = p.publish(); !strings.Contains(string(gap.Payload), `"refused":1`) {
			t.Errorf("not reported: %s", gap.Payload)
		}
		p.ack(mqtt.PUBACK, gap.ID, 0)
		stopAll(p, stop)
		if s := g.bridge.Status(); s.Dropped != 2 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
	})
}
