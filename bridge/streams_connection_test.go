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

// After an outage what is live goes at once, and what waited beside it at its rate, in
// order, and marked with the time it was made.
func TestBacklogBesideLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(mqtt.Level5, out("#", "#", 1))
		o.Backlog.Messages = 2
		g, p := newGateway(t, o), newPeer(t, mqtt.Level5)
		made := time.Now()
		for i := range 10 {
			g.publish("old", fmt.Sprint(i), 1, false)
		}
		time.Sleep(time.Hour)
		stop := p.serve(g)
		p.welcome(mqtt.Connack{})
		connected := time.Now()
		late, live := 0, 0
		for late < 10 {
			m, props := p.publish()
			p.ack(mqtt.PUBACK, m.ID, 0)
			if string(m.Topic) == "live" {
				if has(props, propLate) {
					t.Error("a live message is marked as late")
				}
				live++
				continue
			}
			if string(m.Payload) != fmt.Sprint(late) {
				t.Errorf("backlog: got %s, want %d", m.Payload, late)
			}
			if want := made.UTC().Format(time.RFC3339Nano); value(props, propLate) != want {
				t.Errorf("late mark %q, want %s", value(props, propLate), want)
			}
			if value(props, propID) != "barn" || value(props, propSeq) == "" {
				t.Errorf("no key to tell duplicates by: %+v", props)
			}
			late++
			if late%3 == 0 {
				start := time.Now()
				g.publish("live", "now", 1, false)
				m, _ := p.publish()
				if string(m.Topic) != "live" || time.Since(start) > 0 {
					t.Errorf("a live message had to wait %v behind %s", time.Since(start), m.Topic)
				}
				p.ack(mqtt.PUBACK, m.ID, 0)
				live++
			}
		}
		if took := time.Since(connected); took < 4*time.Second || took > 5*time.Second {
			t.Errorf("10 messages at 2/s (and a burst of 2) took %v", took)
		}
		stopAll(p, stop)
	})
}

func value(p *mqtt.PublishProperties, key string) string {
	if p == nil {
		return ""
	}
	for _, u := range p.User {
		if u.Key == key {
			return u.Value
		}
	}
	return ""
}

// MQTT 3.1.1 has no properties: topic or payload say that a message is late.
func TestLateMarksOf311(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(mqtt.Level311, out("#", "#", 1))
		o.Late = LateMark{Topic: "late/", Payload: true}
		g, p := newGateway(t, o), newPeer(t, mqtt.Level311)
		g.publish("a", `{"value":1}`, 1, false)
		g.publish("a", `{}`, 1, false)
		g.publish("a", `21.5`, 1, false)
		stop := p.serve(g)
		p.welcome(mqtt.Connack{})
		p.takes("late/a", `{"late":true,"value":1}`)
		p.takes("late/a", `{"late":true}`)
		p.takes("late/a", `21.5`)
		g.publish("a", `{"value":2}`, 1, false)
		p.takes("a", `{"value":2}`)
		stopAll(p, stop)
	})
}

// The upstream must not keep last week's value as the present one.
func TestLateDoesNotReplaceTheRetainedOfToday(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(mqtt.Level311, out("#", "#", 1))
		o.Backlog.Messages = 1
		g, p := newGateway(t, o), newPeer(t, mqtt.Level311)
		g.publish("first", "", 1, false) // takes the burst
		g.publish("door", "open", 1, true)
		g.publish("window", "open", 1, true)
		stop := p.serve(g)
		p.welcome(mqtt.Connack{})
		p.takes("first", "")
		g.publish("door", "closed", 1, true)
		for _, want := range []string{"door closed true", "door open false", "window open true"} {
			m, _ := p.publish()
			p.ack(mqtt.PUBACK, m.ID, 0)
			if got := fmt.Sprint(string(m.Topic), " ", string(m.Payload), " ", m.Retain); got != want {
				t.Errorf("got %s, want %s (topic, payload, retain)", got, want)
			}
		}
		stopAll(p, stop)
	})
}

// A strict order is to be had: then what is live waits.
func TestInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(mqtt.Level311, out("#", "#", 1))
		o.InOrder, o.Backlog.Messages = true, 1
		g, p := newGateway(t, o), newPeer(t, mqtt.Level311)
		for i := range 5 {
			g.publish("a", fmt.Sprint(i), 1, false)
		}
		stop := p.serve(g)
		p.welcome(mqtt.Connack{})
		p.takes("a", "0")
		g.publish("a", "5", 1, false)
		for i := 1; i <= 5; i++ {
			p.takes("a", fmt.Sprint(i))
		}
		stopAll(p, stop)
	})
}

// The backlog's end is read ahead of its sending: what is live must wait for the
// sending, or it overtakes through the part of the window that is not the backlog's.
func TestInOrderWhenTheBacklogIsReadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(mqtt.Level311, out("#", "#", 1))
		o.InOrder = true
		g, p := newGateway(t, o), newPeer(t, mqtt.Level311)
		const backlog, all = 600, 610
		for i := range backlog {
			g.publish("a", fmt.Sprint(i), 1, false)
		}
		stop := p.serve(g)
		p.welcome(mqtt.Connack{})
		for i := range all {
			if i == 1 {
				for n := backlog; n < all; n++ {
					g.publish("a", fmt.Sprint(n), 1, false)
				}
			}
			p.takes("a", fmt.Sprint(i))
		}
		stopAll(p, stop)
	})
}

// What a full spool dropped is reported to the upstream as a record, and the sum is right.
func TestGapRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(mqtt.Level311, out("#", "#", 1))
		o.Status, o.Prefix = Status{Topic: "barn/status", Online: "on", Offline: "off"}, "s/"
		g, p := newGateway(t, o), newPeer(t, mqtt.Level311)
		q, err := g.journal.OpenQueue("bridge/up", journal.Limits{Memory: true, Bytes: 400, Full: journal.DropOldest})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			g.publish("a", fmt.Sprintf("%50d", i), 1, false)
		}
		waiting := q.Stats().Waiting
		stop := p.serve(g)
		p.welcome(mqtt.Connack{})
		p.takes("s/barn/status", "on")
		var got string
		for range waiting + 1 {
			m, _ := p.publish()
			p.ack(mqtt.PUBACK, m.ID, 0)
			if string(m.Topic) == "s/barn/status/gap" {
				got = string(m.Payload)
			}
		}
		if want := fmt.Sprintf(`"lost":%d,"total":%d,"why":{"spool":%[1]d}`, 100-waiting, 100-waiting); !strings.Contains(got, want) {
			t.Errorf("gap record %s, want in it %s", got, want)
		}
		stopAll(p, stop)
		if s := g.bridge.Status(); s.Dropped != 100-waiting {
			t.Errorf("dropped %d, want %d", s.Dropped, 100-waiting)
		}
	})
}

// The debt survives the process.
func TestGapIsOwedOverARestart(t *testing.T) {
	j, err := journal.Open(journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g := newGaps(j, "up")
	g.lose(3, lostExpired, time.Unix(10, 0))
	g.lose(2, lostSpool, time.Unix(20, 0))
	if g.report() == nil {
		t.Fatal("nothing to report")
	}
	g.save(time.Now()) // and the process dies before the upstream has it
	g = newGaps(j, "up")
	if got := string(g.report()); !strings.Contains(got, `"lost":5,"total":5`) {
		t.Errorf("after the restart: %s", got)
	}
	g.reported()
	g.save(time.Now().Add(time.Minute))
	g = newGaps(j, "up")
	if got := g.report(); got != nil {
		t.Errorf("reported twice: %s", got)
	}
	g.lose(1, lostSpool, time.Time{})
	if got := string(g.report()); !strings.Contains(got, `"lost":1,"total":6`) {
		t.Errorf("the total goes on: %s", got)
	}
}

func TestEveryAndDeadband(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		every := out("t/#", "every/#", 1)
		every.Every = time.Minute
		dead := out("t/#", "dead/#", 1)
		dead.Deadband = 5
		g, p := newGateway(t, options(mqtt.Level311, every, dead)), newPeer(t, mqtt.Level311)
		stop := p.serve(g)
		p.welcome(mqtt.Connack{})
		for _, step := range []struct {
			after         time.Duration
			topic, value  string
			every, inBand bool
		}{
			{0, "a", "10", true, true},
			{10 * time.Second, "a", "14", false, false},
			{10 * time.Second, "a", `{"value":15.5}`, false, true},
			{10 * time.Second, "b", "15", true, true},
			{30 * time.Second, "a", "15.5", true, false},
			{0, "a", "not a number", false, true},
		} {
			p.idle(step.after)
			g.publish("t/"+step.topic, step.value, 1, false)
			if step.every {
				p.takes("every/"+step.topic, step.value)
			}
			if step.inBand {
				p.takes("dead/"+step.topic, step.value)
			}
		}
		p.idle(time.Second)
		if s := g.bridge.Status(); s.Waiting != 0 || s.Dropped != 0 {
			t.Errorf("what a rule leaves out is no loss and does not wait: %+v", s)
		}
		stopAll(p, stop)
	})
}

func TestExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rule := out("#", "#", 1)
		rule.Expire = time.Hour
		g, p := newGateway(t, withStatus(options(mqtt.Level5, rule))), newPeer(t, mqtt.Level5)
		g.publish("old", "", 1, false)
		g.send(mqtt.Message{Topic: "own", QoS: 1, Time: time.Now(), Properties: &mqtt.PublishProperties{HasExpiry: true, MessageExpiry: 60}})
		time.Sleep(61 * time.Minute)
		g.send(mqtt.Message{Topic: "fresh", QoS: 1, Time: time.Now(), Properties: &mqtt.PublishProperties{HasExpiry: true, MessageExpiry: 60}})
		time.Sleep(20 * time.Second)
		stop := p.serve(g)
		p.welcome(mqtt.Connack{})
		p.takes("status", "online")
		m, _ := p.publish()
		if string(m.Topic) != "fresh" || m.Expiry != 40 {
			t.Errorf("got %s with %d s to live, want fresh with 40 [MQTT-3.3.2-6]", m.Topic, m.Expiry)
		}
		p.ack(mqtt.PUBACK, m.ID, 0)
		gap, _ := p.publish()
		if !strings.Contains(string(gap.Payload), `"expired":2`) {
			t.Errorf("gap record: %s", gap.Payload)
		}
		p.ack(mqtt.PUBACK, gap.ID, 0)
		stopAll(p, stop)
	})
}
