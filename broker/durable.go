package broker

import (
	"slices"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// span is a part of one of the worker's slices.
type span struct{ from, to int }

// waitingRecord is a publication of this batch that has durable subscribers.
type waitingRecord struct {
	pub     publication
	data    span // place in worker.data
	queues  span // places in worker.queues and worker.targets
	targets span
	class   journal.CommitClass
	waiter  journal.Waiter
	token   uint64
	exact   *exactWaiter // nil: delivered at once
	again   bool         // to a session that has the message in the record before already
	current *retained    // sent only if it still is the retained message of its topic
}

// record notes p for the journal if it has durable subscribers: the sessions in
// worker.targets from the given place on, and the spools of its route. It is one record for
// all of them, so that all have it, or, after a power cut or without room, none: half of a
// message of QoS 2 could be neither repeated nor left. Only what a session gets once more, for a
// shared subscription beside its own, is a record of its own behind it.
func (w *worker) record(p *publication, from int, waiter journal.Waiter, token uint64) (needs int) {
	if len(w.targets) == from && len(p.route.spools) == 0 {
		return 0
	}
	targets := w.targets[from:]
	once := w.onceEach(targets)
	queues := len(w.queues)
	for _, sp := range p.route.spools {
		if p.origin != sp.origin { // what came down never goes back up
			w.queues = append(w.queues, sp.queue)
		}
	}
	for _, t := range targets[:once] {
		w.queues = append(w.queues, t.session.queue)
	}
	if len(w.queues) > queues {
		if p.id != 0 {
			w.queues = append(w.queues, p.remembers())
		}
		w.addRecord(p, span{from, from + once}, queues, false, waiter, token)
		needs++
	}
	for i := once; i < len(targets); i++ {
		queues = len(w.queues)
		w.queues = append(w.queues, targets[i].session.queue)
		w.addRecord(p, span{from + i, from + i + 1}, queues, true, waiter, token)
		needs++
	}
	return needs
}

// onceEach moves those that stand there again, whose session gets the message by more than one
// subscription, to the end, and returns how many are before them.
func (w *worker) onceEach(targets []target) (once int) {
	if !slices.ContainsFunc(targets, func(t target) bool { return t.shared }) {
		return len(targets) // a route names each session once
	}
	seen := make(map[*session]bool, len(targets))
	var again []target
	for _, t := range targets {
		if seen[t.session] {
			again = append(again, t)
			continue
		}
		seen[t.session] = true
		targets[once] = t
		once++
	}
	copy(targets[once:], again)
	return once
}

func (w *worker) addRecord(p *publication, targets span, queues int, again bool, waiter journal.Waiter, token uint64) {
	at := len(w.data)
	mark := mqtt.RecordMark{Shared: again, AsRetained: p.asRetained, PacketID: p.id}
	to := w.targets[targets.from:targets.to]
	if again {
		mark.PacketID = 0
	} else {
		mark.SharedBy = sharedBy(to)
	}
	m := p.view()
	w.data = mqtt.AppendMarkedRecord(w.data, &m, mark)
	class := journal.Telemetry
	if waiter != nil || p.origin != "" && p.qos > 0 {
		class = journal.Event
	}
	if again && waiter != nil {
		waiter = extraWaiter{waiter}
	}
	exact := w.exactFor(p, to, waiter)
	if exact != nil {
		waiter = exact
	}
	w.waiting = append(w.waiting, waitingRecord{
		pub: *p, data: span{at, len(w.data)}, queues: span{queues, len(w.queues)}, targets: targets,
		class: class, waiter: waiter, token: token, exact: exact, again: again,
	})
}

// sharedBy returns the clients that get a message by a shared subscription.
func sharedBy(targets []target) (clients []string) {
	for i := range targets {
		if targets[i].shared {
			clients = append(clients, targets[i].session.id)
		}
	}
	return clients
}

// extraWaiter is for what a session gets once more: without room for it, it is dropped and
// counted, and the message is taken all the same.
type extraWaiter struct{ next journal.Waiter }

// Committed forwards what the journal reports.
func (e extraWaiter) Committed(token uint64, err error) {
	if err == journal.ErrFull {
		err = nil
	}
	e.next.Committed(token, err)
}

// commit appends the batch's records and delivers them to the sessions that are connected
// and have nothing older waiting; beyond a bound the others read theirs from their queues, each
// in its turn, because all publishers wait for the lock that is held meanwhile. It waits for the
// journal when that is far behind: publishers of durable messages go at the pace of the disk.
func (w *worker) commit() (failed int) {
	if len(w.waiting) == 0 {
		w.targets = w.targets[:0]
		w.giveBackUnused()
		return 0
	}
	data := append(make([]byte, 0, len(w.data)), w.data...) // the journal keeps it
	w.b.recordMu.Lock()
	w.dropOutdated()
	for i := range w.waiting {
		r := &w.waiting[i]
		w.records = append(w.records, journal.Record{
			Data:  data[r.data.from:r.data.to:r.data.to],
			To:    w.queues[r.queues.from:r.queues.to],
			Class: r.class, Waiter: r.waiter, Token: r.token, With: r.again,
		})
	}
	w.b.journal.Append(w.records...)
	sent := 0
	for i := range w.waiting {
		r := &w.waiting[i]
		seq := w.records[i].Seq
		if seq == 0 {
			w.b.drop(&w.b.count.full)
			if !r.again {
				failed++
			}
			continue
		}
		if !r.again {
			r.pub.recorded(seq)
		}
		if r.exact != nil {
			r.exact.hold(seq, w.targets[r.targets.from:r.targets.to])
		}
		r.pub.enc = [4]encoding{}
		for j := r.targets.from; j < r.targets.to; j++ {
			if sent > fanOutBytes {
				w.targets[j].session.deliverLater(seq)
				continue
			}
			if w.deliverRecord(&r.pub, &w.targets[j], seq) {
				sent += r.pub.size()
			}
		}
	}
	w.b.recordMu.Unlock()
	w.forget()
	w.giveBackUnused()
	return failed
}

func (w *worker) giveBackUnused() {
	for i, b := range w.unused {
		giveBack(b)
		w.unused[i] = nil
	}
	w.unused = w.unused[:0]
}

// dropOutdated leaves out retained messages, read for a new subscription, that were
// replaced since: the subscriber has got the newer one already, or will.
func (w *worker) dropOutdated() {
	some := false
	for i := range w.waiting { // by place: to look at copies of all would cost more than the rest
		some = some || w.waiting[i].current != nil
	}
	if !some {
		return
	}
	w.waiting = slices.DeleteFunc(w.waiting, func(r waitingRecord) bool {
		return r.current != nil && w.b.retained.get(r.pub.route.topic) != r.current
	})
}

// forget releases the batch, so that no message is held by an idle worker.
func (w *worker) forget() {
	clear(w.records)
	clear(w.waiting)
	clear(w.queues)
	clear(w.targets)
	w.records, w.waiting, w.queues, w.targets = w.records[:0], w.waiting[:0], w.queues[:0], w.targets[:0]
	if w.data = w.data[:0]; cap(w.data) > 1<<20 {
		w.data = nil
	}
}

// deliverRecord sends a record that was just appended to a connected session, if
// everything before it was given too. Otherwise it is read from the queue later. It reports
// whether there was something to do.
func (w *worker) deliverRecord(p *publication, t *target, seq journal.Seq) bool {
	s := t.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil || !s.live || seq <= s.sent {
		return false
	}
	if !s.maySendLocked() || s.inflight.inUse(seq) || s.uncommitted.has(seq) {
		s.live = false
		return false
	}
	s.live = s.sendRecordLocked(w, p, t, seq, false)
	return true
}

// deliverLater has a connected session read the record from its queue, in a turn of its own.
func (s *session) deliverLater(seq journal.Seq) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil || !s.live || seq <= s.sent {
		return
	}
	s.live = false
	s.conn.writer.wake()
}

// sendRecordLocked sends the record seq. One that the client cannot take counts as
// delivered. false: the budget has no room, and it stays in the queue.
func (s *session) sendRecordLocked(w *worker, p *publication, t *target, seq journal.Seq, dup bool) bool {
	qos := min(p.qos, t.qos)
	id := packetID(seq)
	if qos == 0 {
		id = 0
	}
	retain := p.retain && (t.rap || p.asRetained)
	switch how := s.appendLocked(w, p, mqtt.PublishFlags(qos, dup && qos > 0, retain), id, t.ids); {
	case how == noRoom:
		s.retryLocked()
		return false
	case how == tooLarge, qos == 0:
		s.queue.Ack(seq)
	default:
		s.sentLocked(sentMessage{seq: seq, id: id, qos: qos})
	}
	s.sent = seq
	w.touchLocked(s)
	return true
}

// catchUpLocked sends from the queue as far as there is room. When nothing is left, new
// messages go straight out again. A record that was appended but not yet offered to
// deliverRecord is either seen here, and skipped there by its seq, or offered after
// live is set.
func (s *session) catchUpLocked(w *worker) {
	for s.conn != nil && !s.live && s.maySendLocked() {
		items, err := s.queue.Read(s.sent, min(s.window-s.inflight.unacked, 256), w.items[:0])
		w.items = items
		if err != nil {
			w.b.log.Error("reading the queue of a session", "client", s.id, "err", err)
			s.conn.stop(mqtt.Unspecified)
			return
		}
		if len(items) == 0 {
			s.live = true
			return
		}
		for i := range items {
			if !s.sendItemLocked(w, &items[i]) {
				return
			}
			if w.work += workOfItem + len(items[i].Data)>>10; w.timeIsUp() {
				s.conn.writer.wake() // goes on in another turn
				return
			}
		}
	}
}

// workOfItem is what it costs to send one record of a queue, beside its bytes.
const workOfItem = 4

// sendItemLocked sends one record of the queue; false if it must wait because its
// packet id is in use, because it is not on disk, or for room in the budget.
func (s *session) sendItemLocked(w *worker, it *journal.Item) bool {
	if s.inflight.inUse(it.Seq) || s.uncommitted.has(it.Seq) {
		return false
	}
	rec, err := mqtt.ViewRecord(it.Data)
	if err != nil {
		w.b.log.Error("a record in the queue of a session cannot be read", "client", s.id, "err", err)
		s.skipLocked(it.Seq)
		return true
	}
	p, t, ok := w.fromRecord(s, it, &rec)
	switch {
	case s.inflight.releases(it.Seq):
		s.sent = it.Seq // it leaves the queue with its PUBREL: before, nothing else on disk knows its id
		return true
	case !ok || s.outState.released(it.Seq):
		s.skipLocked(it.Seq)
		return true
	}
	return s.sendRecordLocked(w, &p, &t, it.Seq, it.Seq <= s.resent)
}

func (s *session) skipLocked(seq journal.Seq) {
	s.sent = seq
	s.queue.Ack(seq)
}

// fromRecord turns a record into a publication for s, as its subscriptions and permissions
// are now; ok is false, and it is counted, when it must not have it any more.
func (w *worker) fromRecord(s *session, it *journal.Item, rec *mqtt.RecordView) (p publication, t target, ok bool) {
	r := w.routeOfRecord(rec.Topic)
	p = publication{route: r, payload: rec.Payload, qos: rec.QoS, retain: rec.Retain, asRetained: rec.AsRetained, at: rec.Time}
	if !rec.Time.IsZero() {
		p.hasExpiry, p.expiry = rec.Expiry()
	}
	if p.hasExpiry { // not by the wall clock, which may have been set since
		age, _ := s.queue.Age(it)
		p.at = w.now.Add(-age)
	}
	w.props = rec.AppendProperties(w.props[:0])
	p.props = w.props
	switch {
	case p.expired(w.now):
		w.b.drop(&w.b.count.expired)
		return p, t, false
	case !w.b.permissions.Load().MayRead(s.who.Load(), r.topic):
		w.b.drop(&w.b.count.denied)
		return p, t, false
	}
	t, ok = s.targetLocked(r, rec.SharedFor(s.id))
	return p, t, ok
}

// routeOfRecord returns the route of a topic, or one that is not finished where that is
// costly: what one session has subscribed to is worked out faster without.
func (w *worker) routeOfRecord(topic []byte) *route {
	r := w.routes[string(topic)]
	switch {
	case w.isCurrent(r):
		return r
	case r != nil && r.matched > cheapRoute:
		return &route{topic: r.topic, rest: &routing{}}
	}
	return w.newRoute(string(topic))
}

// targetLocked returns what s has subscribed to of a topic.
func (s *session) targetLocked(r *route, shared bool) (target, bool) {
	if !shared && r.rest == nil {
		for i := range r.targets {
			if r.targets[i].session == s {
				return r.targets[i], true
			}
		}
	}
	return s.matchLocked(r.topic, shared)
}

// matchLocked returns what the session's subscriptions say of a topic, for a message
// that comes from the queue; ok is false when none matches any more.
func (s *session) matchLocked(topic string, shared bool) (t target, ok bool) {
	t = target{session: s, shared: shared}
	for _, sub := range s.subs {
		if (sub.Group != "") == shared && mqtt.Match(sub.Filter, topic) {
			t.merge(sub)
			ok = true
		}
	}
	return t, ok
}
