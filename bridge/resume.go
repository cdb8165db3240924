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
func (c *connection) resume(sessionPresent bool, now time.Time) error {
	g := c.b.ledger
	if !sessionPresent || c.maxQoS < 2 {
		if seqs := g.lostSession(); len(seqs) > 0 {
			c.b.opt.Inbound.Ack(seqs...)
		}
	}
	c.before = make(map[beforeKey]exactState)
	c.resumed = make(map[uint16]*slot)
	g.mu.Lock()
	for _, e := range g.out {
		c.before[beforeKey{e.seq, e.rule}] = e.state
	}
	g.mu.Unlock()
	for _, e := range g.open() {
		id := e.id
		s := &slot{seq: e.seq, rule: int16(e.rule), state: awaitPubcomp, stream: e.stream}
		c.resumed[id] = s
		if e.state == exactSent {
			found, err := c.sendAgain(id, s, now)
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
		c.out.acknowledge(mqtt.PUBREL, id)
	}
	return nil
}

// sendAgain encodes a PUBLISH that the upstream may have already.
func (c *connection) sendAgain(id uint16, s *slot, now time.Time) (found bool, err error) {
	items, err := c.b.opt.Queue.Read(s.seq-1, 1, nil)
	if err != nil || len(items) == 0 || items[0].Seq != s.seq {
		return false, err
	}
	m, err := mqtt.ParseRecord(items[0].Data)
	if err != nil || int(s.rule) >= len(c.b.rules.out) {
		return false, nil
	}
	rule := &c.b.rules.out[s.rule]
	topic, ok := rule.rename.Rename(m.Topic)
	if !ok {
		return false, nil
	}
	w := work{seq: s.seq, msg: m, at: m.Time, pubs: []publication{{topic, int(s.rule)}}}
	if w.at.IsZero() {
		w.at = items[0].Time
	}
	c.encodePublication(&w, s.stream, now)
	s.state, c.sent2 = awaitPubrec, true
	c.out.publish(mqtt.PublishFlags(2, true, c.pub.retain), c.pub.topic, id, c.pub.props, c.pub.payload, c.pub.wait)
	return true, nil
}

// finishResumedLocked ends a publication of an earlier connection. If the backlog stream
// has not come to its record yet, it will find there what is still missing.
func (c *connection) finishResumedLocked(id uint16, s *slot, acked []journal.Seq) []journal.Seq {
	delete(c.resumed, id)
	c.progress = time.Now()
	if s.seq > c.loaded {
		c.before[beforeKey{s.seq, int(s.rule)}] = exactDone
		return acked
	}
	if !c.lastLocked(s.seq) {
		return acked
	}
	return append(acked, s.seq)
}
