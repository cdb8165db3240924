package bridge

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// R10: an upstream that does not know MQTT 5 is spoken to in 3.1.1, at once, and from then on
// also after a restart. One says so in its CONNACK, another closes the connection.
func TestAutoFindsTheProtocol(t *testing.T) {
	for name, refuse := range map[string]func(*peer){
		"says so":  func(p *peer) { p.write([]byte{0x20, 2, 0, 1}) },
		"hangs up": func(p *peer) { p.drops() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j, err := journal.Open(journal.Options{})
				if err != nil {
					t.Fatal(err)
				}
				o := options(mqtt.Level311, out("#", "#", 1))
				o.Protocol, o.Store = "", j
				g, p := newGatewayOn(t, j, o), newPeer(t, mqtt.Level311)
				stop := p.serve(g)
				c, first := p.accept()
				if c.Level != mqtt.Level5 {
					t.Fatalf("the first CONNECT has level %d, want 5", c.Level)
				}
				refuse(p)
				c, second := p.accept()
				if c.Level != mqtt.Level311 || second.at != first.at {
					t.Fatalf("then level %d after %v, want 4 (MQTT 3.1.1) at once", c.Level, second.at.Sub(first.at))
				}
				p.write(mqtt.AppendConnack(nil, p.level, &mqtt.Connack{}))
				synctest.Wait()
				p.drops()
				if c, _ = p.accept(); c.Level != mqtt.Level311 {
					t.Errorf("the next connection has level %d, want 4: that was found out", c.Level)
				}
				g.bridge.SetOffline(true)
				p.drops()
				stop()
				g = newGatewayOn(t, j, o)
				stop = p.serve(g)
				if c, _ = p.accept(); c.Level != mqtt.Level311 {
					t.Errorf("after a restart level %d, want 4", c.Level)
				}
				refuse(p) // it has been replaced by one that knows 5 only, or is just starting
				if name == "says so" {
					if c, _ = p.accept(); c.Level != mqtt.Level5 {
						t.Errorf("3.1.1 is refused and level %d is tried, want 5", c.Level)
					}
				}
				g.bridge.SetOffline(true)
				p.drops()
				stop()
			})
		})
	}
}

// An upstream that speaks MQTT 5 and hangs up once, because it restarts, stays on MQTT 5.
func TestAutoStaysWithWhatWorked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(mqtt.Level5, out("#", "#", 1))
		o.Protocol = ProtocolAuto
		g, p := newGateway(t, o), newPeer(t, mqtt.Level5)
		stop := p.serve(g)
		p.welcome(mqtt.Connack{})
		p.drops()
		for range 3 {
			c, _ := p.accept()
			if c.Level != mqtt.Level5 {
				t.Errorf("level %d, want 5", c.Level)
			}
			p.drops()
		}
		g.bridge.SetOffline(true)
		stop()
	})
}

// Who asks for MQTT 5 where it is not known hears what to try.
func TestNoAnswerToMQTT5HasAHint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := newGateway(t, options(mqtt.Level5, out("#", "#", 1))), newPeer(t, mqtt.Level5)
		stop := p.serve(g)
		p.accept()
		p.drops()
		synctest.Wait()
		if s := g.bridge.Status(); !strings.Contains(s.Err, `try protocol = "auto" or "3.1.1"`) {
			t.Errorf("the state reports %q", s.Err)
		}
		g.bridge.SetOffline(true)
		stop()
	})
}

// K13: a topic deeper than we take ended the connection, and as the upstream sends it again,
// every one.
func TestTooDeepTopicDoesNotEndTheConnection(t *testing.T) {
	for _, qos := range []byte{0, 1, 2} {
		synctest.Test(t, func(t *testing.T) {
			g, p := newGateway(t, options(mqtt.Level5, in("#", "#", 2))), newPeer(t, mqtt.Level5)
			stop := p.serve(g)
			p.welcome(mqtt.Connack{})
			p.subscribed()
			id := p.sends(strings.Repeat("a/", mqtt.MaxTopicLevels)+"a", "x", qos, false, nil)
			if qos > 0 {
				a, _ := mqtt.ParseAck(p.next([]mqtt.Type{0, mqtt.PUBACK, mqtt.PUBREC}[qos]), p.level)
				if a.ID != id {
					t.Errorf("%d acknowledged, want %d", a.ID, id)
				}
			}
			p.sends("good", "y", 1, false, nil)
			p.next(mqtt.PUBACK)
			if s := g.bridge.Status(); s.Ignored != 1 || s.Received != 1 {
				t.Errorf("qos %d: ignored %d, received %d, want 1 and 1", qos, s.Ignored, s.Received)
			}
			p.idle(time.Second)
			stopAll(p, stop)
		})
	}
}
