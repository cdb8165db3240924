package bridge

import (
	"strconv"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// work is the record that a stream is sending. A record that several rules send is
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

// sendStream encodes publications of one stream until the window is full, nothing waits,
// or out is a good batch.
func (c *connection) sendStream(records *cursor, stream streamID, window int, now time.Time) {
	w := &c.work[stream]
	for c.out.size() < batchBytes && c.room(window) {
		if !w.busy() && !c.load(w, records, stream, now) {
			return
		}
		for w.busy() && c.room(window) {
			c.publish(w, stream, now)
			w.next++
		}
	}
}

// load takes the next record of the stream that a rule sends. It reports false if there
// is none now.
func (c *connection) load(w *work, records *cursor, stream streamID, now time.Time) bool {
	for len(c.flushed) < readAheadItems { // then let those leave the spool first
		item, ok, err := records.peek()
		if err != nil {
			c.b.spoolUnreadable(err)
			return false
		}
		if !ok {
			return false
		}
		if stream == backlog {
			if c.rateWait = c.b.streams.rate.wait(now); c.rateWait > 0 {
				return false
			}
		}
		records.take()
		missing := c.plan(w, item, stream, now)
		if missing == 0 {
			c.flushed = append(c.flushed, w.seq)
			continue
		}
		if len(w.pubs) == 0 {
			continue // all of it is on its way since an earlier connection
		}
		if stream == backlog {
			c.b.streams.rate.spend(len(item.Data))
		}
		return true
	}
	return false
}

// plan makes w of a record: what the rules send of it. missing counts the
// acknowledgements until the record may leave the spool; 0 says at once.
func (c *connection) plan(w *work, item *journal.Item, stream streamID, now time.Time) (missing int) {
	b := c.b
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
	if b.expired(w, 0) {
		b.lose(lostExpired, w.at)
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if stream == backlog {
		c.loaded = item.Seq
	}
	for i := range b.rules.out {
		r := &b.rules.out[i]
		topic, ok := r.rename.Rename(m.Topic)
		if !ok || planned(w.pubs, topic) || b.saidBeside(&m, topic) {
			continue
		}
		if state, before := c.before[beforeKey{item.Seq, i}]; before {
			if state != exactDone {
				missing++
			}
			continue
		}
		if !c.throttle.pass(&r.Rule, throttleKey{i, stream, m.Topic}, w.at, m.Payload) {
			continue
		}
		if r.Expire > 0 && b.expired(w, r.Expire) {
			b.lose(lostExpired, w.at)
			continue
		}
		w.pubs = append(w.pubs, publication{topic: topic, rule: i})
		missing++
	}
	if missing > 1 {
		c.multi[item.Seq] = missing
	}
	return missing
}

// saidBeside reports whether a topic of the upstream gets its messages from elsewhere: the
// status that is ours there and not what the gateway says here of itself, and what is
// announced.
func (b *Bridge) saidBeside(m *mqtt.Message, remote string) bool {
	return b.opt.Status.Topic != "" && remote == b.statusTopic() || m.Origin == "" && b.rules.newestSends(m.Topic, remote)
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
	if visits(m.Properties) >= hopsMax || b.seenRing.note(m.Topic, m.Payload, now) > loopMax {
		b.ignored.Add(1)
		b.warn(time.Hour, "loop", "a message runs in a circle between bridges and was stopped", "topic", m.Topic, "origin", m.Origin)
		return false
	}
	return true
}

// expired looks at the age that the rule (or, with 0, the message itself) allows. The age is
// what is sure of it, whatever the clock did: see journal.Queue.Age.
func (b *Bridge) expired(w *work, limit time.Duration) bool {
	if limit > 0 {
		return b.age(w) > limit
	}
	p := w.msg.Properties
	return p != nil && p.HasExpiry && !w.msg.Time.IsZero() && b.age(w) >= time.Duration(p.MessageExpiry)*time.Second
}

// age is how old the record of w is at least.
func (b *Bridge) age(w *work) time.Duration {
	age, _ := b.opt.Queue.Age(&journal.Item{Seq: w.seq, Time: w.at})
	return age
}

// publish encodes the current publication of w.
func (c *connection) publish(w *work, stream streamID, now time.Time) {
	p := &w.pubs[w.next]
	rule := &c.b.rules.out[p.rule]
	qos := c.allowedQoS(rule.QoS)
	c.encodePublication(w, stream, now)
	size := mqtt.PublishSize(c.level, qos, len(c.pub.topic), len(c.pub.props), len(c.pub.payload))
	if size > c.maxPacket {
		c.b.lose(lostTooLarge, w.at)
		c.b.warn(time.Hour, "large", "a message is larger than the upstream allows and was dropped", "topic", c.pub.topic, "bytes", size, "allowed", c.maxPacket)
		c.written(w.seq)
		return
	}
	s := slot{seq: w.seq, bytes: int32(size), rule: int16(p.rule), stream: stream}
	flags := mqtt.PublishFlags(qos, false, c.pub.retain)
	var id uint16
	switch qos {
	case 0:
		c.b.sent.Add(1)
		c.written(w.seq)
	case 1:
		s.state = awaitPuback
		id = c.track(s)
	case 2:
		s.state, c.sent2 = awaitPubrec, true
		id = c.track(s)
		c.b.ledger.sent(id, w.seq, p.rule, stream)
	}
	c.out.publish(flags, c.pub.topic, id, c.pub.props, c.pub.payload, c.pub.wait)
	c.b.noteSent(c.level, c.pub.topic, c.pub.payload, now)
}

// written: nothing more is expected for this publication once out is written.
func (c *connection) written(seq journal.Seq) {
	if c.last(seq) {
		c.flushed = append(c.flushed, seq)
	}
}

// outgoing is a publication as it goes on the wire. Its slices are valid until the next.
type outgoing struct {
	topic   string
	props   []byte
	payload []byte
	retain  bool
	wait    bool // until what was noted for it is on disk
}

// encodePublication fills l.pub with what the current publication of w looks like on
// this connection.
func (c *connection) encodePublication(w *work, stream streamID, now time.Time) {
	b, p, m := c.b, &w.pubs[w.next], &w.msg
	rule := &b.rules.out[p.rule]
	o := &c.pub
	o.topic, o.retain, o.props = p.topic, m.Retain && rule.Retain && c.mayRetain, o.props[:0]
	o.payload, o.wait = b.clock.correct(w.seq, m.Payload), false
	if o.retain {
		if stream == live && !b.streams.backlog.drained() {
			o.wait = b.retainedLive.note(o.topic)
		}
		o.retain = stream == live || !b.retainedLive.has(o.topic)
	}
	if stream == backlog {
		if b.opt.Late.Payload {
			o.payload = markLate(o.payload)
		}
		o.topic = b.opt.Late.Topic + o.topic
	}
	if c.level != mqtt.Level5 {
		return
	}
	if m.Properties != nil {
		o.props = mqtt.AppendPublishProperties(o.props, m.Properties, b.remaining(w))
	}
	if !has(m.Properties, propID) {
		o.props = append(o.props, b.idProperty...)
		c.text = strconv.AppendUint(c.text[:0], uint64(w.seq), 10)
		o.props = mqtt.AppendUserProperty(o.props, propSeq, c.text)
	} else {
		o.props = append(o.props, b.viaProperty...)
	}
	if stream == backlog {
		c.text = c.came.append(c.text[:0], w.at)
		o.props = mqtt.AppendUserProperty(o.props, propLate, c.text)
	}
}

// remaining is what is left of the message's expiry interval [MQTT-3.3.2-6, v5].
func (b *Bridge) remaining(w *work) uint32 {
	p := w.msg.Properties
	if !p.HasExpiry || w.msg.Time.IsZero() {
		return p.MessageExpiry
	}
	return uint32(max(1, int64(p.MessageExpiry)-int64(b.age(w)/time.Second)))
}

// allowedQoS lowers the QoS where the upstream does not go that far, and says so.
func (c *connection) allowedQoS(qos byte) byte {
	if qos <= c.maxQoS {
		return qos
	}
	c.b.warn(24*time.Hour, "qos", "the upstream does not allow this QoS; messages are sent with a lower one", "rule", qos, "sent", c.maxQoS)
	return c.maxQoS
}

// track puts a publication into flight and returns its packet identifier.
func (c *connection) track(s slot) uint16 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flight.count == 0 {
		c.progress = time.Now() // the clock of stallTimeout starts
	}
	for id := c.flight.nextID(); c.resumed[id] != nil || len(c.before) > 0 && c.b.ledger.uses(id); id = c.flight.nextID() {
		c.flight.skip() // in use since an earlier connection
	}
	id := c.flight.add(s)
	c.b.inFlight.Store(int64(c.flight.count))
	return id
}

// last counts a finished publication of a record and reports whether it was the last
// one, so that the record may leave the spool.
func (c *connection) last(seq journal.Seq) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastLocked(seq)
}

func (c *connection) lastLocked(seq journal.Seq) bool {
	left, several := c.multi[seq]
	if !several {
		return true
	}
	if left > 1 {
		c.multi[seq] = left - 1
		return false
	}
	delete(c.multi, seq)
	return true
}

func (c *connection) room(window int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := &c.flight
	return f.count+len(c.resumed) < window && (f.bytes < windowMaxBytes || f.count == 0) && f.room()
}
