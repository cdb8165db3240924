package bridge

import (
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// beforeKey names a publication that was begun on an earlier connection.
type beforeKey struct {
	seq  journal.Seq
	rule int
}

// resume goes on with the QoS 2 publications of an earlier connection, with their packet
// identifiers [MQTT-4.4.0-1]. Without the upstream's memory of them they start anew.
func (l *link) resume(sessionPresent bool, now time.Time) error {
	g := l.b.ledger
	if !sessionPresent || l.maxQoS < 2 {
		g.lostSession()
	}
	l.before = make(map[beforeKey]exactState)
	l.resumed = make(map[uint16]*slot)
	g.mu.Lock()
	for _, e := range g.out {
		l.before[beforeKey{e.seq, e.rule}] = e.state
	}
	g.mu.Unlock()
	for _, e := range g.open() {
		id := e.id
		s := &slot{seq: e.seq, rule: int16(e.rule), state: awaitPubcomp}
		l.resumed[id] = s
		if e.state == exactSent {
			found, err := l.sendAgain(id, s, now)
			if err != nil {
				return err
			}
			if found {
				continue
			}
			// Dropped from the spool meanwhile, or no rule sends it any more: all
			// that is left is to free the identifier on both sides.
			g.received(id)
			s.state = awaitPubcomp
		}
		l.out = mqtt.AppendAck(l.out, mqtt.PUBREL, l.level, id, mqtt.Success)
	}
	return nil
}

// sendAgain encodes a PUBLISH that the upstream may have already.
func (l *link) sendAgain(id uint16, s *slot, now time.Time) (found bool, err error) {
	items, err := l.b.opt.Queue.Read(s.seq-1, 1, nil)
	if err != nil || len(items) == 0 || items[0].Seq != s.seq {
		return false, err
	}
	m, err := mqtt.ParseRecord(items[0].Data)
	if err != nil || int(s.rule) >= len(l.b.rules.out) {
		return false, nil
	}
	rule := &l.b.rules.out[s.rule]
	topic, ok := rule.rename.Rename(m.Topic)
	if !ok {
		return false, nil
	}
	w := work{seq: s.seq, msg: m, at: m.Time, pubs: []publication{{topic, int(s.rule)}}}
	if w.at.IsZero() {
		w.at = items[0].Time
	}
	l.encodePublication(&w, backlog, now)
	s.state, l.sent2 = awaitPubrec, true
	l.out = mqtt.AppendPublish(l.out, l.level, mqtt.PublishFlags(2, true, l.pub.retain), l.pub.topic, id, l.pub.props, l.pub.payload)
	return true, nil
}

// finishResumedLocked ends a publication of an earlier connection. If the backlog lane
// has not come to its record yet, it will find there what is still missing.
func (l *link) finishResumedLocked(id uint16, s *slot, acked []journal.Seq) []journal.Seq {
	delete(l.resumed, id)
	l.progress = time.Now()
	if s.seq > l.loaded {
		l.before[beforeKey{s.seq, int(s.rule)}] = exactDone
		return acked
	}
	if !l.lastLocked(s.seq) {
		return acked
	}
	return append(acked, s.seq)
}

// settle moves packets that wait for the ledger: one write covers all that were staged
// when it began.
func (l *link) settle() {
	g := l.b.ledger
	if l.covering != 0 && g.written.Load() >= l.covering {
		l.out = append(l.out, l.covered...)
		l.covered, l.covering = l.covered[:0], 0
	}
	l.mu.Lock()
	l.staged = append(l.staged, l.exactly...)
	l.exactly = l.exactly[:0]
	l.mu.Unlock()
	if l.covering == 0 && len(l.staged) > 0 {
		l.covered, l.staged = l.staged, l.covered[:0]
		l.covering = g.save()
		if g.store == nil {
			l.settle()
		}
	}
}
