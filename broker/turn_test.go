package broker

import (
	"fmt"
	"testing"
	"time"

	"sensorgate/internal/mqtt"
	"sensorgate/internal/timing"
)

// inTurn puts the connection of a client into a turn of its own and returns the worker of it.
func inTurn(t *testing.T, b *Broker, id string) (*conn, *worker) {
	t.Helper()
	if timing.Race {
		t.Skip("the test stands in for an event loop that is idle, which the race detector cannot know")
	}
	c := b.sessions[id].conn
	w := newWorker(b)
	w.begin()
	w.until, w.at = w.now, c // the turn is over whenever it is looked
	return c, w
}

// A message to many share groups was sent in one turn, however long it took.
func TestOneMessageToManyGroupsIsSentInTurns(t *testing.T) {
	b := start(t)
	var subs []*client
	for i := range crowd {
		s := connect(t, b, mqtt.Level311, fmt.Sprint("sub", i))
		s.subscribe(fmt.Sprintf("$share/g%d/fan", i), 0)
		subs = append(subs, s)
	}
	pub := connect(t, b, mqtt.Level311, "pub")
	pub.ping() // all CONNECTs are handled
	c, w := inTurn(t, b, "pub")
	packet := mqtt.AppendPublish(nil, mqtt.Level311, 0, "fan", 0, nil, []byte(bigPayload(0)))
	turns := 0
	for used := 0; used < len(packet) || c.more; turns++ {
		n, _, err := c.input(w, packet[used:])
		if err != nil || turns > 4*crowd {
			t.Fatalf("turn %d: %v", turns, err)
		}
		used += n
	}
	w.at = nil
	w.finish()
	if each := fanOutSlice / (64 << 10); turns < crowd/(each+1) {
		t.Errorf("a message to %d groups took %d turns", crowd, turns)
	}
	for _, s := range subs {
		s.wantInOrder(1)
	}
}

// In a turn that has had its time what may be costly waits: it is neither lost nor done
// twice, and what is cheap does not wait.
func TestCostlyPacketsWaitForAnotherTurn(t *testing.T) {
	many := make([]mqtt.Subscription, 100)
	for i := range many {
		many[i].Filter = fmt.Sprintf("wide/%d", i)
	}
	const known, alias = "known", 7
	setAlias := mqtt.AppendPublish(nil, mqtt.Level5, 0, "new", 0, mqtt.AppendTopicAlias(nil, alias), []byte("x"))
	for _, test := range []struct {
		name   string
		packet []byte
		costly bool
	}{
		{"many filters", mqtt.AppendSubscribe(nil, mqtt.Level5, mqtt.Subscribe{ID: 2, Filters: many}), true},
		{"few filters", mqtt.AppendSubscribe(nil, mqtt.Level5, mqtt.Subscribe{ID: 2, Filters: many[:3]}), false},
		{"new topic", mqtt.AppendPublish(nil, mqtt.Level5, 0, "new", 0, nil, []byte("x")), true},
		{"new topic and alias", setAlias, true},
		{"known topic", mqtt.AppendPublish(nil, mqtt.Level5, 0, known, 0, nil, []byte("x")), false},
		{"ping", []byte{0xc0, 0}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := start(t)
			connect(t, b, mqtt.Level5, "it").ping()
			c, w := inTurn(t, b, "it")
			w.routeString(known)
			before := b.Stats().PublishReceived
			w.spent = true
			used, _, err := c.input(w, test.packet)
			if waited := used == 0 && c.more && !c.forDisk; err != nil || waited != test.costly || !waited && used != len(test.packet) {
				t.Fatalf("used %d of %d, more %v, %v; want it to wait: %v", used, len(test.packet), c.more, err, test.costly)
			}
			w.spent = false
			if test.costly {
				if used, _, err = c.input(w, test.packet); used != len(test.packet) || err != nil {
					t.Fatalf("in another turn: used %d of %d, %v", used, len(test.packet), err)
				}
			}
			w.at = nil
			w.finish()
			if got := b.Stats().PublishReceived - before; test.packet[0]>>4 == byte(mqtt.PUBLISH) && got != 1 {
				t.Errorf("published %d times", got)
			}
		})
	}
}

// A route that had few subscriptions is worked out again at once: who subscribes and
// unsubscribes all the time does not make others wait.
func TestCheapRoutesDoNotWait(t *testing.T) {
	b := start(t)
	it := connect(t, b, mqtt.Level311, "it")
	it.subscribe("known", 0)
	c, w := inTurn(t, b, "it")
	w.routeString("known")
	b.subs.Touch()
	w.spent = true
	packet := mqtt.AppendPublish(nil, mqtt.Level311, 0, "known", 0, nil, []byte("x"))
	if used, _, err := c.input(w, packet); used != len(packet) || err != nil || c.more {
		t.Errorf("used %d of %d, more %v, %v", used, len(packet), c.more, err)
	}
	w.at = nil
	w.finish()
}

// A loop that waited for 2 ms between two messages never let itself be rescheduled, and the
// runtime's monitor thread took a third of all processor time.
func TestLoopIsRescheduledBeforeTheRuntimeDoesIt(t *testing.T) {
	const seen = 10 * time.Millisecond // from when on the runtime takes the processor away
	for _, between := range []time.Duration{0, 100 * time.Microsecond, 2 * time.Millisecond, 5 * time.Millisecond, 8 * time.Millisecond} {
		for _, turn := range []time.Duration{20 * time.Microsecond, 500 * time.Microsecond, 2 * time.Millisecond} {
			var r rests
			now := time.Unix(1e9, 0)
			r.last, r.yield = now, now
			worst, times := time.Duration(0), 0
			for last := now; now.Sub(time.Unix(1e9, 0)) < time.Second; {
				begin := now.Add(between)
				r.waited(now, begin)
				if now = begin.Add(turn); r.due(now, turn) {
					worst, last = max(worst, now.Sub(last)), now
					times++
				}
			}
			if worst == 0 || worst-turn >= seen {
				t.Errorf("turns of %v, %v apart: %v without a rest", turn, between, worst)
			}
			if most := int(time.Second / restEvery); times > most {
				t.Errorf("turns of %v, %v apart: %d rests in a second", turn, between, times)
			}
		}
	}
}
