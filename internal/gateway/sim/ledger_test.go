package sim

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"sensorgate/internal/mqtt"
)

// ledger keeps what everybody did and was promised, in one order, and judges it in the end.
type ledger struct {
	mu    sync.Mutex
	clock int // moments: each note has one
	msgs  map[string]*message
	list  []*message
	subs  map[string]*subscriber
	sent  map[string][]string // by topic: the keys of all sendings, the repeated ones too, in their order
	fresh []underWay          // what the gateway has made by itself in this run
	wills []*will
	off   int // moment when the power was cut last, or the gateway was killed

	expiring map[string]bool // topics with messages that expire soon

	runs   int   // of the gateway, over
	damage []int // moments at which a start of the gateway reported damage of the store

	dropping map[string]bool // subscribers of whose queue this run has dropped something
	undoings []undoing       // ends of runs that may have undone drops

	faults []string
}

// message is one publication.
type message struct {
	key       string // the payload's beginning, unique
	publisher string
	topic     string
	n         int // counts up per publisher
	qos       byte
	size      int
	begun     int  // moment of the first sending
	acked     int  // moment of PUBACK or PUBREC; 0: not
	resent    bool // begun anew without the session that knew it: may come twice
	refused   bool
	will      bool          // published when its client is gone: in no order with others
	expiry    time.Duration // 0: none
	first     time.Time     // sending
	sending   time.Time     // the last one
	life      int           // the run of the gateway that got it; 0: several did
}

// subscriber is a durable subscriber: a persistent session, or the bridge with its upstream.
type subscriber struct {
	name  string
	era   int // rises with every clean start
	subs  map[string]*interest
	got   map[string]int   // receipts in this era
	when  map[string][]int // their moments
	first []receipt        // in the order of their first receipt
	clean int              // moment of the CONNECT that began this era
	since int              // moment from which the era is sure
	peak  int64            // most bytes that may have waited
	waits map[string]int64
	total int64
	older map[string]bool // received in an earlier era
}

// receipt is the first time that a message came.
type receipt struct {
	key  string
	late bool // from the backlog of a bridge, beside what is live
}

// interest is a filter, and from when to when it was sure that it counts.
type interest struct {
	filter     string
	qos        byte
	from, till int // till 0: still
	run        int // in which it was promised
	damaged    bool
}

func newLedger() *ledger {
	return &ledger{msgs: map[string]*message{}, subs: map[string]*subscriber{}, sent: map[string][]string{}, expiring: map[string]bool{}}
}

func (l *ledger) now() int { l.clock++; return l.clock }

func (l *ledger) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faultLocked(format, args...)
}

func (l *ledger) faultLocked(format string, args ...any) {
	if len(l.faults) < 20 {
		l.faults = append(l.faults, fmt.Sprintf(format, args...))
	}
}

func (l *ledger) subscriberLocked(name string) *subscriber {
	s := l.subs[name]
	if s == nil {
		s = &subscriber{name: name, subs: map[string]*interest{}, got: map[string]int{}, when: map[string][]int{}, waits: map[string]int64{}, older: map[string]bool{}}
		l.subs[name] = s
	}
	return s
}

// publishing notes that a message is about to be sent for the first time.
func (l *ledger) publishing(m *message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m.begun = l.now()
	l.msgs[m.key] = m
	l.list = append(l.list, m)
	l.sent[m.topic] = append(l.sent[m.topic], m.key)
	l.expiring[m.topic] = l.expiring[m.topic] || m.brief()
	for _, s := range l.subs {
		for _, i := range s.subs {
			if i.till == 0 && mqtt.Match(i.filter, m.topic) {
				s.waits[m.key] = int64(m.size)
				s.total += int64(m.size)
				s.peak = max(s.peak, s.total)
			}
		}
	}
}

func (l *ledger) acked(m *message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m.acked == 0 {
		m.acked = l.now()
	}
}

// damaged notes that a start has reported damage.
func (l *ledger) damaged() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.damage = append(l.damage, l.now())
}

// atLeast notes that the start has said so: more may be gone than is counted. What it takes a while to write twice is a
// session's entry (docs/journal-format.md): it may be a subscription of the last two runs.
func (l *ledger) atLeast() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.subs {
		for _, i := range s.subs {
			i.damaged = i.damaged || i.run >= l.runs-2
		}
	}
}

// mayBeUnsubscribed reports whether damage may have taken a subscription of s.
func (s *subscriber) mayBeUnsubscribed() bool {
	for _, i := range s.subs {
		if i.damaged {
			return true
		}
	}
	return false
}

// damagesLocked counts the reports since the moment.
func (l *ledger) damagesLocked(since int) (n int) {
	for _, at := range l.damage {
		if at > since {
			n++
		}
	}
	return n
}

func (l *ledger) refusedMessage(m *message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m.refused = true
}

func (l *ledger) sentAgain(m *message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[m.topic] = append(l.sent[m.topic], m.key)
}

func (l *ledger) resentAnew(m *message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m.resent = true
}

// asking notes that a client asks for a filter: from now on messages may wait for it.
func (l *ledger) asking(name, filter string, qos byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.subscriberLocked(name)
	if s.subs[filter] == nil {
		s.subs[filter] = &interest{filter: filter, qos: qos}
	}
}

// subscribed notes that the server has promised to keep what matches.
func (l *ledger) subscribed(name, filter string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.subscriberLocked(name).subs[filter]; i != nil && (i.from == 0 || i.till != 0) {
		i.from, i.till, i.run = l.now(), 0, l.runs
	}
}

// unsubscribing notes that a client has asked for the end of a filter.
func (l *ledger) unsubscribing(name, filter string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.subscriberLocked(name)
	delete(s.subs, filter)
}

// cleanStart notes that a client has sent a CONNECT that ends its session. It counts from the answer on.
func (l *ledger) cleanStart(name string) (moment int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.subscriberLocked(name)
	for _, i := range s.subs {
		i.from, i.till = 0, 0
	}
	s.subs = map[string]*interest{}
	s.waits, s.total = map[string]int64{}, 0
	return l.now()
}

// cleanStarted notes the answer to it.
func (l *ledger) cleanStarted(name string, asked int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.subscriberLocked(name)
	s.era++
	s.clean, s.since = asked, l.now()
	for k := range s.got {
		s.older[k] = true
	}
	s.got, s.when, s.first = map[string]int{}, map[string][]int{}, nil
}

// sessionEnded notes that a client begins another session: what it got in the one before may come again.
func (l *ledger) sessionEnded(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.subscriberLocked(name)
	for k := range s.got {
		s.older[k] = true
	}
}

// received notes a receipt; keep is false if the client itself knows it for a repetition.
func (l *ledger) received(name, topic, payload string, qos byte, retained, late bool) {
	key, _, _ := strings.Cut(payload, " ")
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.subscriberLocked(name)
	m := l.msgs[key]
	if m == nil || m.topic != topic {
		l.faultLocked("%s: received %s on %s, which nobody published", name, key, topic)
		return
	}
	if strings.HasPrefix(topic, "x/") {
		l.faultLocked("%s: received %s on %s without permission", name, key, topic)
	}
	if retained {
		return
	}
	if size, ok := s.waits[key]; ok {
		delete(s.waits, key)
		s.total -= size
	}
	if m.acked != 0 && m.acked < s.clean {
		l.faultLocked("%s: received %s from before its clean start: back from the dead", name, key)
	}
	s.got[key]++
	s.when[key] = append(s.when[key], l.now())
	if s.got[key] == 1 {
		s.first = append(s.first, receipt{key, late})
	}
	// A damaged position brings back what was acknowledged (docs/journal-format.md, "What damage can
	// cost"), each report at most once.
	if s.got[key] > 1+l.damagesLocked(m.begun) && qos == 2 && m.qos == 2 && !m.resent && !s.older[key] && !l.mayComeAgain(m) {
		l.faultLocked("%s: received %s on %s %d times at QoS 2: doubled", name, key, topic, s.got[key])
	}
}

// expected returns the messages that a subscriber must have got, and those that it may have got.
func (l *ledger) expected(s *subscriber) (must, may []*message) {
	for _, m := range l.list {
		for _, i := range s.subs {
			if m.qos == 0 || i.qos == 0 || m.refused || m.brief() || !mqtt.Match(i.filter, m.topic) {
				continue
			}
			if i.from != 0 && m.begun > i.from && m.acked != 0 {
				must = append(must, m)
			} else {
				may = append(may, m)
			}
		}
	}
	return must, may
}

// judge compares what subscribers must have got with what they got. dropped is how many messages of its queue the
// gateway has counted as lost; share is how much may wait for one without it paying for others.
func (l *ledger) judge(dropped map[string]uint64, share int64, damage bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	names := make([]string, 0, len(l.subs))
	for n := range l.subs {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		s := l.subs[n]
		must, _ := l.expected(s)
		var missing []string
		for _, m := range must {
			if s.got[m.key] == 0 {
				missing = append(missing, m.key)
			}
		}
		count := dropped[n]
		switch {
		case s.mayBeUnsubscribed():
		case len(missing) > 0 && uint64(len(missing)) > count:
			l.faultLocked("%s: lost %d messages that were acknowledged (%s), %d counted", n, len(missing), some(missing), count)
		case len(missing) > 0 && s.peak < share && !damage:
			l.faultLocked("%s: %d messages were dropped (%s) although at most %d bytes waited for it: it paid for others", n, len(missing), some(missing), s.peak)
		}
		l.inOrder(s, count > 0 || len(l.damage) > 0)
	}
}

func some(keys []string) string {
	if len(keys) > 4 {
		keys = append(append([]string{}, keys[:4]...), "…")
	}
	return strings.Join(keys, " ")
}

// sure reports whether the subscriber was promised the message.
func (s *subscriber) sure(m *message) bool {
	for _, i := range s.subs {
		if i.from != 0 && m.begun > i.from && mqtt.Match(i.filter, m.topic) {
			return true
		}
	}
	return false
}

// inOrder looks at the first receipts: per publisher and topic they come in the order of publishing
// [MQTT-4.6.0-6].
//
// A message of QoS 1 that its publisher repeated, in the order in which it sent it first
// [MQTT-4.6.0-1], is another one to the broker and waits twice: 1 2 3 1 2 3. A full queue that
// dropped the oldest two of them delivers 3 1 2 3, which is in the order in which they were sent. So
// where drops are counted, or damage is reported (it may have taken any copy), the first
// receipts must be found among the sendings, in their order;
// where none are, each first copy must have come, and nothing may come after what was published later.
// QoS 2 is never taken twice, unless damage took the first copy and with it the packet id: then its publisher, which had no
// answer, sends it again behind later ones. What had expired in a run, which passed it over and was killed before the disk
// knew, may come in the next one, which does not know how old it is. The same goes for what it had dropped (undone).
func (l *ledger) inOrder(s *subscriber, dropped bool) {
	last := map[string]*message{}
	at := map[string]int{} // by stream: behind the sending of its newest receipt
	back := map[string]*cameBack{}
	undone := func(stream string, later, m *message) bool {
		crash := l.undone(s, later, m)
		if back[stream] == nil {
			back[stream] = &cameBack{}
		}
		return crash > 0 && back[stream].in(l.sent[m.topic], m.key, crash)
	}
	for _, r := range s.first {
		m := l.msgs[r.key]
		stream := fmt.Sprint(m.topic, r.late)
		if m.qos == 0 || m.resent || m.will || !s.sure(m) {
			continue // one from before the subscription may come late, as a repetition
		}
		before := last[stream]
		last[stream] = m
		again := (dropped || l.expiring[m.topic]) && m.qos == 1 || l.damagesLocked(m.begun) > 0
		if again { // a first copy may have expired, and the second not
			next := slices.Index(l.sent[m.topic][at[stream]:], m.key)
			if next < 0 && (m.brief() || undone(stream, before, m)) {
				last[stream] = before
				continue
			}
			if next < 0 {
				l.faultLocked("%s: %s came after %s, and was not sent again after it: out of order", s.name, m.key, before.key)
				continue
			}
			at[stream] += next + 1
			continue
		}
		if before != nil && before.n > m.n {
			if undone(stream, before, m) {
				last[stream] = before
				continue
			}
			l.faultLocked("%s: %s came after %s: out of order", s.name, m.key, before.key)
		}
	}
}

// knows reports whether all filters are promised already.
func (l *ledger) knows(name string, filters []mqtt.Subscription) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.subscriberLocked(name)
	for _, f := range filters {
		if i := s.subs[f.Filter]; i == nil || i.from == 0 || i.till != 0 {
			return false
		}
	}
	return true
}

// checkRetained: what is retained is the newest value that was acknowledged, or a newer one. An empty value clears. It stands
// once on the disk: if a start has reported damage (damaged), the value before it may count, or none; then it returns false.
func (l *ledger) checkRetained(name, topic string, values []retainedValue, have string, damaged bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	newest := -1
	for i, v := range values {
		if v.acked {
			newest = i
		}
	}
	if newest < 0 && have == "" {
		return true
	}
	from := max(newest, 0)
	if damaged {
		from = 0
	}
	for i := len(values) - 1; i >= from; i-- {
		if v := values[i]; v.payload == have && v.m.begun != 0 {
			return i >= newest
		}
	}
	if damaged && have == "" {
		return false
	}
	key, _, _ := strings.Cut(have, " ")
	want, _, _ := strings.Cut(values[max(newest, 0)].payload, " ")
	l.faultLocked("%s: retained on %s is %q, acknowledged was %q: retained", name, topic, key, want)
	return true
}
