package powercut

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"sensorgate/internal/mqtt"
)

// kind is what an event is about.
type kind string

const (
	connecting kind = "connecting" // CONNECT is about to be sent, or came to the upstream
	connected  kind = "connected"  // CONNACK
	subscribed kind = "subscribed" // SUBACK
	sending    kind = "sending"    // PUBLISH is about to be sent for the first time
	acked      kind = "acked"      // PUBACK or PUBREC came
	completed  kind = "completed"  // PUBCOMP came
	got        kind = "got"        // PUBLISH came
	released   kind = "released"   // PUBREL came
)

// event is one thing that a party did or saw. Size is the length of the disk's log: before what it sends, after what
// it received. So a cut at a length leaves a disk that existed after all events up to this length, and before all
// that could have come of a later one.
type event struct {
	Size  int64
	Who   string
	Kind  kind
	Topic string `json:",omitempty"`
	N     int    `json:",omitempty"`
	ID    uint16 `json:",omitempty"`
	QoS   byte   `json:",omitempty"`
	Clean bool   `json:",omitempty"` // of a CONNECT, and of its CONNACK
	Clear bool   `json:",omitempty"` // an empty message, that clears what is retained
}

// message is one publication. Moments are numbers of events; 0: not.
type message struct {
	topic string
	n     int
	qos   byte
	clear bool
	begun int
	acked int
}

// ledger is what everybody did and was promised, in one order.
type ledger struct {
	mu      sync.Mutex
	length  func() int64 // of the disk's log; nil: it has been cut
	events  []event
	parties map[string]*party
	msgs    map[string][]*message // by topic; number N stands at N-1
	news    chan struct{}         // closed and replaced at each event
	faults  []string
}

func newLedger(length func() int64) *ledger {
	l := &ledger{length: length, parties: map[string]*party{}, msgs: map[string][]*message{}, news: make(chan struct{})}
	for _, p := range parties() {
		l.parties[p.name] = p
	}
	return l
}

// note records an event and what follows from it.
func (l *ledger) note(e event) {
	if l.length != nil {
		e.Size = l.length()
	}
	l.events = append(l.events, e)
	l.apply(e)
	l.wake()
}

// wake makes whoever waits look again.
func (l *ledger) wake() {
	close(l.news)
	l.news = make(chan struct{})
}

// at is the ledger as it stood when the disk's log had a length.
func (l *ledger) at(length int64) *ledger {
	past := newLedger(nil)
	for _, e := range l.events {
		if e.Size > length {
			break
		}
		past.events = append(past.events, e)
		past.apply(e)
	}
	return past
}

func (l *ledger) moment() int { return len(l.events) }

func (l *ledger) faultf(format string, args ...any) {
	if len(l.faults) < 20 {
		l.faults = append(l.faults, fmt.Sprintf(format, args...))
	}
}

func (l *ledger) apply(e event) {
	p := l.parties[e.Who]
	switch e.Kind {
	case sending:
		m := &message{topic: e.Topic, n: e.N, qos: e.QoS, clear: e.Clear, begun: l.moment()}
		if e.N != len(l.msgs[e.Topic])+1 {
			l.faultf("%s: number %d of %s after %d: the test is wrong", e.Who, e.N, e.Topic, len(l.msgs[e.Topic]))
		}
		l.msgs[e.Topic] = append(l.msgs[e.Topic], m)
		p.out = append(p.out, &outgoing{message: m, id: e.ID})
	case acked, completed:
		if i := p.find(e.ID); i >= 0 {
			o := p.out[i]
			if o.acked == 0 {
				o.acked = l.moment()
			}
			o.released = true
			if e.Kind == completed || o.qos == 1 {
				p.out = slices.Delete(p.out, i, i+1)
			}
		}
	case got:
		l.receive(p, e)
	case released:
		delete(p.in, e.ID)
	case connecting, connected, subscribed:
		p.session(e, l.moment())
	}
}

// receive counts a message. What is wrong with it at once is a fault at once.
func (l *ledger) receive(p *party, e event) {
	if e.QoS == 2 {
		if p.in[e.ID] {
			return // a repetition, known by its packet id
		}
		p.in[e.ID] = true
	}
	if e.N < 1 || e.N > len(l.msgs[e.Topic]) {
		l.faultf("%s: received %s %d, which nobody published", p.name, e.Topic, e.N)
		return
	}
	m := l.msgs[e.Topic][e.N-1]
	if m.acked != 0 && m.acked < p.ended {
		l.faultf("%s: received %s %d, of a session that a clean start ended: back from the dead", p.name, e.Topic, e.N)
	}
	if p.got[e.Topic] == nil {
		p.got[e.Topic] = map[int]int{}
	}
	times := p.got[e.Topic]
	times[e.N]++
	if times[e.N] > 1 && e.QoS == 2 && m.qos == 2 {
		l.faultf("%s: received %s %d %d times at QoS 2: doubled", p.name, e.Topic, e.N, times[e.N])
	}
	if times[e.N] > 1 || p.since <= p.ended || m.begun <= p.since {
		return // what was begun before the subscription may come late, as a repetition
	}
	if e.N < p.newest[e.Topic] {
		l.faultf("%s: received %s %d after %d: out of order", p.name, e.Topic, e.N, p.newest[e.Topic])
	}
	p.newest[e.Topic] = max(p.newest[e.Topic], e.N)
}

// missing returns what a subscriber was promised and has not got.
func (l *ledger) missing(p *party) (lost []*message) {
	if p.bounded || p.since == 0 || p.since <= p.ended || p.asked != 0 {
		return nil // judged elsewhere, or nothing is promised yet, or a clean start has no answer yet
	}
	for topic, msgs := range l.msgs {
		if !slices.ContainsFunc(p.filters, func(s mqtt.Subscription) bool { return mqtt.Match(s.Filter, topic) }) {
			continue
		}
		for _, m := range msgs {
			if m.begun > p.since && m.acked != 0 && p.got[topic][m.n] == 0 {
				lost = append(lost, m)
			}
		}
	}
	return lost
}

// settled reports whether nothing is on its way any more.
func (l *ledger) settled() bool {
	for _, p := range l.parties {
		if len(p.out) > 0 || len(p.in) > 0 || len(l.missing(p)) > 0 {
			return false
		}
	}
	return true
}

// judge adds what is missing to the faults, and returns all of them.
func (l *ledger) judge() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.parties {
		if lost := l.missing(p); len(lost) > 0 {
			l.faultf("%s: %d acknowledged messages are lost, the first is %s %d", p.name, len(lost), lost[0].topic, lost[0].n)
		}
		for _, o := range p.out {
			l.faultf("%s: %s %d is not acknowledged (released: %v)", p.name, o.topic, o.n, o.released)
		}
		for id := range p.in {
			l.faultf("%s: packet id %d is not released", p.name, id)
		}
	}
	return l.faults
}

// checkRetained compares what is retained on a topic, 0 for nothing, with what was acknowledged: it is that or
// something newer that was sent.
func (l *ledger) checkRetained(topic string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	msgs := l.msgs[topic]
	newest := -1
	for i, m := range msgs {
		if m.acked != 0 {
			newest = i
		}
	}
	if n == 0 && newest < 0 {
		return
	}
	for _, m := range msgs[max(newest, 0):] {
		if m.n == n && !m.clear || n == 0 && m.clear {
			return
		}
	}
	l.faultf("retained on %s is number %d, acknowledged was %+v: lost or back from the dead", topic, n, *msgs[max(newest, 0)])
}

func (l *ledger) save() ([]byte, error) { return json.Marshal(l.events) }
