package bridge

import (
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// work is the record that a lane is sending. A record that several rules send is
// several publications, and the window may close between them.
type work struct {
	seq  journal.Seq
	msg  mqtt.Message
	pubs []publication
	next int
}

// publication is a message as one rule sends it.
type publication struct {
	topic string
	rule  int
	qos   byte
}

func (w *work) busy() bool { return w.next < len(w.pubs) }

// sendLane encodes publications of one lane until the window is full, nothing waits,
// or out is a good batch.
func (l *link) sendLane(c *cursor, lane laneID, window int, now time.Time) {
	w := &l.work[lane]
	for len(l.out) < batchBytes && l.room(window) {
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
	for {
		item, ok, err := c.peek()
		if err != nil {
			l.b.log.Error("spool unreadable", "err", err)
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
		w.seq, w.next = item.Seq, 0
		w.pubs = l.b.plan(w.pubs[:0], item, &w.msg)
		if len(w.pubs) == 0 {
			l.flushed = append(l.flushed, w.seq)
			if len(l.flushed) >= readAheadItems {
				return false // let them leave the spool before looking at more
			}
			continue
		}
		if lane == backlog {
			l.b.lanes.rate.spend(len(item.Data))
		}
		if len(w.pubs) > 1 {
			l.mu.Lock()
			l.multi[w.seq] = len(w.pubs)
			l.mu.Unlock()
		}
		return true
	}
}

// plan appends what the rules make of a record. Nothing is a fine answer.
func (b *Bridge) plan(pubs []publication, item *journal.Item, m *mqtt.Message) []publication {
	var err error
	if *m, err = mqtt.ParseRecord(item.Data); err != nil {
		b.dropped.Add(1)
		b.log.Error("record in the spool is not a message", "seq", item.Seq, "err", err)
		return pubs
	}
	if m.Origin == b.origin || b.rules.bringsIn(m.Topic) {
		return pubs
	}
	for i := range b.rules.out {
		r := &b.rules.out[i]
		topic, ok := r.rename.Rename(m.Topic)
		if !ok || sent(pubs, topic) {
			continue
		}
		pubs = append(pubs, publication{topic: topic, rule: i, qos: min(r.QoS, max(m.QoS, r.QoS))})
	}
	return pubs
}

// sent: two rules that give one topic the same remote name send it once.
func sent(pubs []publication, topic string) bool {
	for i := range pubs {
		if pubs[i].topic == topic {
			return true
		}
	}
	return false
}

// publish encodes the current publication of w.
func (l *link) publish(w *work, lane laneID, now time.Time) {
	p := &w.pubs[w.next]
	m := &w.msg
	retain := m.Retain && l.b.rules.out[p.rule].Retain
	var props []byte
	if l.level == mqtt.Level5 && m.Properties != nil {
		props = mqtt.AppendPublishProperties(nil, m.Properties, m.Properties.MessageExpiry)
	}
	size := mqtt.PublishSize(l.level, p.qos, len(p.topic), len(props), len(m.Payload))
	if p.qos == 0 {
		l.out = mqtt.AppendPublish(l.out, l.level, mqtt.PublishFlags(0, false, retain), p.topic, 0, props, m.Payload)
		if l.last(w.seq) {
			l.flushed = append(l.flushed, w.seq) // written is all that QoS 0 promises
			l.b.sent.Add(1)
		}
		return
	}
	s := slot{seq: w.seq, bytes: int32(size), lane: lane, rule: int16(p.rule), state: awaitPuback}
	if p.qos == 2 {
		s.state = awaitPubrec
	}
	id := l.track(s)
	l.out = mqtt.AppendPublish(l.out, l.level, mqtt.PublishFlags(p.qos, false, retain), p.topic, id, props, m.Payload)
}

// track puts a publication into flight.
func (l *link) track(s slot) uint16 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flight.count == 0 {
		l.progress = time.Now() // the clock of stallTimeout starts
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
	return f.count < window && (f.bytes < windowMaxBytes || f.count == 0) && f.room()
}
