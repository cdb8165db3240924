package bridge

import (
	"strconv"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// work is the record that a lane is sending. A record that several rules send is
// several publications, and the window may close between them.
type work struct {
	seq  journal.Seq
	msg  mqtt.Message
	at   time.Time // when the message came into being
	pubs []publication
	next int
}

// publication is a message as one rule sends it.
type publication struct {
	topic string
	rule  int
}

func (w *work) busy() bool { return w.next < len(w.pubs) }

// User properties that a message from us has at level 5.
const (
	propID   = "gw-id"   // the node it came from; with gw-seq the key to tell duplicates
	propSeq  = "gw-seq"  // its number there
	propVia  = "gw-via"  // a further node on its way
	propLate = "gw-late" // it waited: when it came into being
)

// sendLane encodes publications of one lane until the window is full, nothing waits,
// or out is a good batch.
func (l *link) sendLane(c *cursor, lane laneID, window int, now time.Time) {
	w := &l.work[lane]
	for len(l.out)+len(l.staged) < batchBytes && l.room(window) {
		if !w.busy() && !l.load(w, c, lane, now) {
			return
		}
		for w.busy() && l.room(window) {
			l.publish(w, lane, now)
			w.next++
		}
	}
}

// load takes the next record of the lane that a rule sends. It reports false if there
// is none now.
func (l *link) load(w *work, c *cursor, lane laneID, now time.Time) bool {
	for len(l.flushed) < readAheadItems { // then let those leave the spool first
		item, ok, err := c.peek()
		if err != nil {
			l.b.spoolUnreadable(err)
			return false
		}
		if !ok {
			return false
		}
		if lane == backlog {
			if l.rateWait = l.b.lanes.rate.wait(now); l.rateWait > 0 {
				return false
			}
		}
		c.take()
		missing := l.plan(w, item, lane, now)
		if missing == 0 {
			l.flushed = append(l.flushed, w.seq)
			continue
		}
		if len(w.pubs) == 0 {
			continue // all of it is on its way since an earlier connection
		}
		if lane == backlog {
			l.b.lanes.rate.spend(len(item.Data))
		}
		return true
	}
	return false
}

// plan makes w of a record: what the rules send of it. missing counts the
// acknowledgements until the record may leave the spool; 0 says at once.
func (l *link) plan(w *work, item *journal.Item, lane laneID, now time.Time) (missing int) {
	b := l.b
	w.seq, w.next, w.pubs = item.Seq, 0, w.pubs[:0]
	m, err := mqtt.ParseRecord(item.Data)
	if err != nil {
		b.lose(lostDamaged, item.Time)
		b.log.Error("record in the spool is not a message", "seq", item.Seq, "err", err)
		return 0
	}
	w.msg, w.at = m, m.Time
	if w.at.IsZero() {
		w.at = item.Time
	}
	if !b.mayLeave(&w.msg, now) {
		return 0
	}
	if b.expired(w, 0, now) {
		b.lose(lostExpired, w.at)
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if lane == backlog {
		l.loaded = item.Seq
	}
	for i := range b.rules.out {
		r := &b.rules.out[i]
		topic, ok := r.rename.Rename(m.Topic)
		if !ok || planned(w.pubs, topic) {
			continue
		}
		if state, before := l.before[beforeKey{item.Seq, i}]; before {
			if state != exactDone {
				missing++
			}
			continue
		}
		if !l.thin.pass(&r.Rule, thinKey{i, lane, m.Topic}, w.at, m.Payload) {
			continue
		}
		if r.Expire > 0 && b.expired(w, r.Expire, now) {
			b.lose(lostExpired, w.at)
			continue
		}
		w.pubs = append(w.pubs, publication{topic: topic, rule: i})
		missing++
	}
	if missing > 1 {
		l.multi[item.Seq] = missing
	}
	return missing
}

// planned: two rules that give a message the same remote name send it once.
func planned(pubs []publication, topic string) bool {
	for i := range pubs {
		if pubs[i].topic == topic {
			return true
		}
	}
	return false
}

// mayLeave reports whether a message may go up at all.
func (b *Bridge) mayLeave(m *mqtt.Message, now time.Time) bool {
	if m.Origin == b.origin || b.rules.bringsIn(m.Topic) {
		return false
	}
	if !fromBridge(m.Origin) {
		return true
	}
	if visits(m.Properties) >= hopsMax || b.ring.note(m.Topic, m.Payload, now) > ringMax {
		b.ignored.Add(1)
		b.warn(time.Hour, "loop", "a message runs in a circle between bridges and was stopped", "topic", m.Topic, "origin", m.Origin)
		return false
	}
	return true
}

// expired looks at the age that the rule (or, with 0, the message itself) allows. With a
// clock that is not set no age is known; that is asked last, because it costs a system
// call.
func (b *Bridge) expired(w *work, limit time.Duration, now time.Time) bool {
	old := w.msg.Expired(now)
	if limit > 0 {
		old = now.Sub(w.at) > limit
	}
	return old && b.timeSynced()
}

// publish encodes the current publication of w.
func (l *link) publish(w *work, lane laneID, now time.Time) {
	p := &w.pubs[w.next]
	rule := &l.b.rules.out[p.rule]
	qos := l.allowedQoS(rule.QoS)
	l.encodePublication(w, lane, now)
	size := mqtt.PublishSize(l.level, qos, len(l.pub.topic), len(l.pub.props), len(l.pub.payload))
	if size > l.maxPacket {
		l.b.lose(lostTooLarge, w.at)
		l.b.warn(time.Hour, "large", "a message is larger than the upstream allows and was dropped", "topic", l.pub.topic, "bytes", size, "allowed", l.maxPacket)
		l.written(w.seq)
		return
	}
	s := slot{seq: w.seq, bytes: int32(size), rule: int16(p.rule), lane: lane}
	flags := mqtt.PublishFlags(qos, false, l.pub.retain)
	switch qos {
	case 0:
		l.out = mqtt.AppendPublish(l.out, l.level, flags, l.pub.topic, 0, l.pub.props, l.pub.payload)
		l.b.sent.Add(1)
		l.written(w.seq)
	case 1:
		s.state = awaitPuback
		id := l.track(s)
		l.out = mqtt.AppendPublish(l.out, l.level, flags, l.pub.topic, id, l.pub.props, l.pub.payload)
	case 2:
		s.state, l.sent2 = awaitPubrec, true
		id := l.track(s)
		l.b.ledger.sent(id, w.seq, p.rule)
		l.staged = mqtt.AppendPublish(l.staged, l.level, flags, l.pub.topic, id, l.pub.props, l.pub.payload)
	}
	l.b.noteSent(l.level, l.pub.topic, l.pub.payload, now)
}

// written: nothing more is expected for this publication once out is written.
func (l *link) written(seq journal.Seq) {
	if l.last(seq) {
		l.flushed = append(l.flushed, seq)
	}
}

// outgoing is a publication as it goes on the wire. Its slices are valid until the next.
type outgoing struct {
	topic   string
	props   []byte
	payload []byte
	retain  bool
}

// encodePublication fills l.pub with what the current publication of w looks like on
// this connection.
func (l *link) encodePublication(w *work, lane laneID, now time.Time) {
	b, p, m := l.b, &w.pubs[w.next], &w.msg
	rule := &b.rules.out[p.rule]
	o := &l.pub
	o.topic, o.retain, o.props = p.topic, m.Retain && rule.Retain && l.mayRetain, o.props[:0]
	o.payload = b.clock.correct(w.seq, m.Payload)
	if o.retain {
		if lane == live && !b.lanes.backlog.drained() {
			b.newer.note(o.topic)
		}
		o.retain = lane == live || !b.newer.than(o.topic)
	}
	if lane == backlog {
		if b.opt.Late.Payload {
			o.payload = markLate(o.payload)
		}
		o.topic = b.opt.Late.Topic + o.topic
	}
	if l.level != mqtt.Level5 {
		return
	}
	if m.Properties != nil {
		o.props = mqtt.AppendPublishProperties(o.props, m.Properties, remaining(m, now))
	}
	user := l.user[:0]
	if !has(m.Properties, propID) {
		user = append(user, mqtt.UserProperty{Key: propID, Value: b.opt.Node},
			mqtt.UserProperty{Key: propSeq, Value: strconv.FormatUint(uint64(w.seq), 10)})
	} else {
		user = append(user, mqtt.UserProperty{Key: propVia, Value: b.opt.Node})
	}
	if lane == backlog {
		user = append(user, mqtt.UserProperty{Key: propLate, Value: w.at.UTC().Format(time.RFC3339Nano)})
	}
	l.user = user
	o.props = mqtt.AppendPublishProperties(o.props, &mqtt.PublishProperties{User: user}, 0)
}

// remaining is what is left of the message's expiry interval [MQTT-3.3.2-6, v5].
func remaining(m *mqtt.Message, now time.Time) uint32 {
	p := m.Properties
	if !p.HasExpiry || m.Time.IsZero() {
		return p.MessageExpiry
	}
	waited := max(0, now.Sub(m.Time)/time.Second)
	return uint32(max(1, int64(p.MessageExpiry)-int64(waited)))
}

// allowedQoS lowers the QoS where the upstream does not go that far, and says so.
func (l *link) allowedQoS(qos byte) byte {
	if qos <= l.maxQoS {
		return qos
	}
	l.b.warn(24*time.Hour, "qos", "the upstream does not allow this QoS; messages are sent with a lower one", "rule", qos, "sent", l.maxQoS)
	return l.maxQoS
}

// track puts a publication into flight and gives its packet identifier.
func (l *link) track(s slot) uint16 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flight.count == 0 {
		l.progress = time.Now() // the clock of stallTimeout starts
	}
	for id := l.flight.nextID(); l.resumed[id] != nil || len(l.before) > 0 && l.b.ledger.uses(id); id = l.flight.nextID() {
		l.flight.skip() // in use since an earlier connection
	}
	return l.flight.add(s)
}

// last counts a finished publication of a record and reports whether it was the last
// one, so that the record may leave the spool.
func (l *link) last(seq journal.Seq) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lastLocked(seq)
}

func (l *link) lastLocked(seq journal.Seq) bool {
	left, several := l.multi[seq]
	if !several {
		return true
	}
	if left > 1 {
		l.multi[seq] = left - 1
		return false
	}
	delete(l.multi, seq)
	return true
}

func (l *link) room(window int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := &l.flight
	return f.count+len(l.resumed) < window && (f.bytes < windowMaxBytes || f.count == 0) && f.room()
}
