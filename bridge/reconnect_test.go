package bridge

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/mqtt"
)

// Two gateways with one client id throw each other off. Ours leaves longer and longer
// pauses, at least 5 s, and says what it looks like.
func TestFightOverTheClientID(t *testing.T) {
	for _, level := range []byte{mqtt.Level311, mqtt.Level5} {
		synctest.Test(t, func(t *testing.T) {
			g, p := newGateway(t, options(level)), newPeer(t, level)
			stop := p.serve(g)
			var last time.Time
			for i := range 6 {
				_, d := p.accept()
				p.write(mqtt.AppendConnack(nil, level, &mqtt.Connack{}))
				wait := d.at.Sub(last)
				// With 3.1.1 nobody says "taken over"; the first close may have any reason.
				if known := level == mqtt.Level5 && i > 0 || i > 1; known && wait < fightMin {
					t.Errorf("level %d: back after %v in round %d, want at least %v", level, wait, i, fightMin)
				}
				if i > 4 && wait < time.Minute {
					t.Errorf("level %d: back after %v in round %d, want at least a minute", level, wait, i)
				}
				time.Sleep(time.Second)
				last = time.Now()
				if level == mqtt.Level5 {
					p.write(mqtt.AppendDisconnect(nil, level, mqtt.SessionTakenOver, ""))
				}
				p.drops()
			}
			synctest.Wait()
			if s := g.bridge.Status(); !strings.Contains(s.Err, "client id barn-up") {
				t.Errorf("level %d: the state does not report it: %s", level, s.Err)
			}
			g.bridge.SetOffline(true)
			stop()
		})
	}
}

// Every refusal is reported in words, none is answered with a storm.
func TestRefusedConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := newGateway(t, options(mqtt.Level5)), newPeer(t, mqtt.Level5)
		stop := p.serve(g)
		var last time.Time
		for _, r := range connackReasons {
			_, d := p.accept()
			if wait := d.at.Sub(last); !last.IsZero() && (wait < refusedMin || wait > backoffMax) {
				t.Errorf("after %v the next attempt came in %v, want %v to %v", r, wait, refusedMin, backoffMax)
			}
			last = time.Now()
			p.write(mqtt.AppendConnack(nil, p.level, &mqtt.Connack{Reason: r, ReasonString: "because"}))
			synctest.Wait()
			if s := g.bridge.Status(); !strings.Contains(s.Err, r.String()) || !strings.Contains(s.Err, "because") || s.Connected {
				t.Errorf("%v is reported as %q", r, s.Err)
			}
		}
		// A server that knows only 3.1.1 answers in its own form (MQTT 5, 3.1.2.2).
		p.accept()
		p.write([]byte{byte(mqtt.CONNACK) << 4, 2, 0, 1})
		synctest.Wait()
		if s := g.bridge.Status(); !strings.Contains(s.Err, "3.1.1") {
			t.Errorf("reported as %q", s.Err)
		}
		stop()
	})
}

func TestPasswordThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(mqtt.Level311)
		o.Password = func() (string, error) { return "", errors.New("/etc/x: no such file") }
		g, p := newGateway(t, o), newPeer(t, mqtt.Level311)
		stop := p.serve(g)
		time.Sleep(time.Minute)
		if s := g.bridge.Status(); !strings.Contains(s.Err, "password: /etc/x: no such file") {
			t.Errorf("reported as %q", s.Err)
		}
		if len(p.dials) > 0 {
			t.Error("connected without the password")
		}
		stop()
	})
}

// The waits of many gateways spread: no two thirds of them come back in the same third
// of the time.
func TestBackoffSpreads(t *testing.T) {
	var thirds [3]int
	for range 3000 {
		var b backoff
		var d time.Duration
		for range 8 {
			if d = b.next(errSimRefused, 0); d < backoffMin || d > backoffMax {
				t.Fatalf("waits %v, want %v to %v", d, backoffMin, backoffMax)
			}
		}
		thirds[min(2, int(d*3/backoffMax))]++
	}
	for i, n := range thirds {
		if n < 800 || n > 1200 {
			t.Errorf("third %d of the time has %d of 3000 gateways", i, n)
		}
	}
}

func TestFailoverAndReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(mqtt.Level311, out("#", "#", 1))
		o.URLs = []string{"mqtt://first", "mqtt://second", "mqtt://third"}
		o.Status = Status{Topic: "status", Online: "online", Offline: "offline"}
		g, p := newGateway(t, o), newPeer(t, mqtt.Level311)
		p.refuse("first", true)
		start := time.Now()
		stop := p.serve(g)
		_, d := p.accept()
		if d.host != "second" || d.at.Sub(start) > 5*time.Second {
			t.Errorf("connected to %s after %v, want the second at once", d.host, d.at.Sub(start))
		}
		p.write(mqtt.AppendConnack(nil, p.level, &mqtt.Connack{}))
		p.takes("status", "online")
		p.idle(10 * time.Minute) // the first is looked at without success
		p.refuse("first", false)
		first := time.Now()
		for { // it says disconnect, not offline: it is only moving
			f, err := p.in.next()
			if err != nil {
				t.Fatal(err)
			}
			if f.Type == mqtt.DISCONNECT {
				break
			}
			if f.Type != mqtt.PINGREQ {
				t.Fatalf("the bridge sent %v", f.Type)
			}
			p.write([]byte{byte(mqtt.PINGRESP) << 4, 0})
		}
		probe := <-p.dials
		if probe.host != "first" {
			t.Errorf("looked at %s", probe.host)
		}
		if _, d = p.accept(); d.host != "first" {
			t.Errorf("went to %s, want back to the first", d.host)
		}
		if took := d.at.Sub(first); took > 10*time.Minute {
			t.Errorf("back after %v", took)
		}
		p.write(mqtt.AppendConnack(nil, p.level, &mqtt.Connack{}))
		p.takes("status", "online")
		stopAll(p, stop)
	})
}

// Nothing is lost when the line breaks in the middle of a packet, and the second try is
// in order.
func TestBreakInMidPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := newGateway(t, options(mqtt.Level311, out("#", "#", 1))), newPeer(t, mqtt.Level311)
		stop := p.serve(g)
		p.welcome(mqtt.Connack{})
		for _, s := range []string{"1", "2", "3"} {
			g.publish("a", s, 1, false)
		}
		m, _ := p.publish()
		p.publish()
		p.write([]byte{byte(mqtt.PUBACK) << 4, 2, byte(m.ID >> 8)}) // half an acknowledgement
		p.drops()
		p.welcome(mqtt.Connack{})
		p.takes("a", "1")
		p.takes("a", "2")
		p.takes("a", "3")
		stopAll(p, stop)
	})
}

func TestPresenceIsSaidAgain(t *testing.T) {
	// The will of a broken connection may be published after the new one said "online":
	// another node of a cluster holds the old connection until its keep-alive ends.
	synctest.Test(t, func(t *testing.T) {
		o := options(mqtt.Level311)
		o.Status, o.KeepAlive = Status{Topic: "status", Online: "online", Offline: "offline"}, 20*time.Second
		g, p := newGateway(t, o), newPeer(t, mqtt.Level311)
		stop := p.serve(g)
		p.welcome(mqtt.Connack{})
		p.takes("status", "online")
		p.idle(5 * time.Minute) // once is enough on a first connection
		p.drops()
		p.welcome(mqtt.Connack{})
		p.takes("status", "online")
		start := time.Now()
		p.takes("status", "online")
		if after := time.Since(start); after < 30*time.Second || after > time.Minute {
			t.Errorf("said again after %v, want just after 1.5 keep-alives of 20 s", after)
		}
		p.idle(5 * time.Minute)
		stopAll(p, stop)
	})
}

// An upstream that closes the connection at QoS 2, and on MQTT 3.1.1 cannot say why.
func TestUpstreamWithoutQoS2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := newGateway(t, options(mqtt.Level311, out("#", "#", 2))), newPeer(t, mqtt.Level311)
		g.publish("a", "1", 1, false)
		stop := p.serve(g)
		for range exactTrials {
			p.welcome(mqtt.Connack{SessionPresent: true})
			if m, _ := p.publish(); m.QoS != 2 {
				t.Fatalf("QoS %d", m.QoS)
			}
			p.drops()
		}
		p.welcome(mqtt.Connack{SessionPresent: true})
		m, _ := p.publish()
		if m.QoS != 1 || string(m.Payload) != "1" {
			t.Errorf("sent %q with QoS %d, want it lowered to 1", m.Payload, m.QoS)
		}
		p.ack(mqtt.PUBACK, m.ID, 0)
		synctest.Wait()
		if s := g.bridge.Status(); s.Waiting != 0 {
			t.Errorf("%d wait", s.Waiting)
		}
		stopAll(p, stop)
	})
}

// Whatever an upstream sends: the bridge may hang up, but not fall over.
func FuzzUpstream(f *testing.F) {
	f.Add(byte(4), []byte{0x40, 2, 0, 1, 0x50, 2, 0, 2, 0x70, 2, 0, 2})
	f.Add(byte(5), mqtt.AppendPublish(nil, mqtt.Level5, 2, "in/x", 7, nil, []byte("y")))
	f.Add(byte(5), mqtt.AppendDisconnect(nil, mqtt.Level5, mqtt.SessionTakenOver, "gone"))
	f.Add(byte(4), []byte{0x90, 3, 255, 255, 0x80})
	f.Fuzz(func(t *testing.T, level byte, bytes []byte) {
		if level != mqtt.Level5 {
			level = mqtt.Level311
		}
		synctest.Test(t, func(t *testing.T) {
			g, p := newGateway(t, withStatus(options(level, out("a", "a", 1), out("b", "b", 2), in("in/#", "in/#", 2)))), newPeer(t, level)
			g.publish("a", "1", 1, false)
			g.publish("b", "2", 1, false)
			stop := p.serve(g)
			p.welcome(mqtt.Connack{SessionPresent: true})
			read := make(chan struct{})
			go func() { p.hangsUp(); close(read) }()
			p.conn.SetWriteDeadline(time.Now().Add(time.Minute))
			p.conn.Write(bytes)
			synctest.Wait()
			g.bridge.SetOffline(true)
			p.drops()
			stop()
			<-read
		})
	})
}
