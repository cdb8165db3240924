package broker

import (
	"encoding/json"
	"strings"
	"time"

	"sensorgate/broker/budget"
	"sensorgate/broker/permissions"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// newSessionLocked makes a session and notes what it costs; one that is to be kept gets
// its queues by makePersistent. It takes over the hold on the account. The caller holds
// Broker.mu.
func (b *Broker) newSessionLocked(id string, account *budget.Account, kept bool) *session {
	s := &session{b: b, id: id, origin: originClient + id, account: account, kept: kept}
	if kept {
		b.persistent++
		s.growLocked(b.onDisk.ofSession(id)) // nobody else knows it yet
	}
	s.fee = sessionFee(id, kept)
	b.sessions[id] = s
	return s
}

// makePersistent opens the session's queues.
func (b *Broker) makePersistent(s *session) {
	queue, err := b.journal.OpenQueue(queueOut+s.id, b.queueLimits())
	if err == nil {
		s.inbound, err = b.journal.OpenQueue(queueIn+s.id, RememberedLimits(b.journal.Size()))
	}
	if err != nil {
		b.log.Error("no queue for a persistent session: it lasts as long as its connection", "client", s.id, "err", err)
		return
	}
	s.queue = queue
}

// queueLimits are those of what waits for a session.
func (b *Broker) queueLimits() journal.Limits {
	return journal.Limits{Bytes: b.limits().MaxQueued, Full: journal.DropOldest}
}

// savedSession is a persistent session's entry in the journal. JSON, so that `journal dump`
// shows it to people and a newer program may add to it.
type savedSession struct {
	Expiry uint32     `json:"expiry"`                // seconds
	Gone   int64      `json:"gone,omitempty"`        // Unix milliseconds of the end of the last connection; 0: connected
	Ended  bool       `json:"ended,omitempty"`       // it has expired: only its removal is not on disk
	Unsure bool       `json:"clock_unset,omitempty"` // Gone is of a clock that was not set
	User   string     `json:"user,omitempty"`
	Subs   []savedSub `json:"subs,omitempty"`
}

type savedSub struct {
	Filter  string `json:"filter"`
	Options byte   `json:"options"` // as in SUBSCRIBE
	ID      uint32 `json:"id,omitempty"`
}

// save writes subscriptions and expiry; waiter may be nil.
func (s *session) save(class journal.CommitClass, waiter journal.Waiter, token uint64) {
	s.saving.Lock() // the newest that is looked at is the newest that is written
	defer s.saving.Unlock()
	s.mu.Lock()
	saved := savedSession{Expiry: s.expiry, User: s.who.Load().User, Ended: s.ended}
	if !s.gone.IsZero() {
		stamp, ok := s.b.journal.Stamp(s.gone)
		saved.Gone, saved.Unsure = stamp.UnixMilli(), !ok
	}
	for full, sub := range s.subs {
		saved.Subs = append(saved.Subs, savedSub{full, sub.Options(), sub.ID})
	}
	s.mu.Unlock()
	data, err := json.Marshal(saved)
	if err != nil { // strings and numbers only: cannot be
		panic(err)
	}
	if n, changes := s.stored.changes(saved.Expiry); changes {
		waiter = expiryOnDisk{&s.stored, n, waiter}
	}
	s.b.journal.Put(keySession+s.id, data, class, waiter, token)
}

// expiryOnDisk hears when the disk knows of a session's expiry, and passes that on to who waits for the same write.
type expiryOnDisk struct {
	stored *storedExpiry
	n      uint64
	then   journal.Waiter // nil: nobody
}

// Committed implements journal.Waiter; the token is that of who waits.
func (w expiryOnDisk) Committed(token uint64, err error) {
	if err == nil {
		w.stored.written(w.n)
	}
	if w.then != nil {
		w.then.Committed(token, err)
	}
}

// restoreSessions brings back the persistent sessions of a previous run. One that cannot
// be read costs itself only.
func (b *Broker) restoreSessions() error {
	for _, key := range b.journal.Keys(keySession) {
		data, ok := b.journal.Get(key)
		if !ok {
			continue
		}
		id := strings.TrimPrefix(key, keySession)
		var saved savedSession
		if err := json.Unmarshal(data, &saved); err != nil {
			b.log.Error("a persistent session cannot be read and is dropped", "client", id, "err", err)
			continue
		}
		if saved.Ended {
			for _, key := range []string{keySession, keyIn, keyOut} {
				b.journal.Delete(key+id, journal.Telemetry)
			}
			continue // its queues are orphans
		}
		if err := b.restoreSession(id, &saved); err != nil {
			return err
		}
	}
	b.dropOrphans()
	return nil
}

func (b *Broker) restoreSession(id string, saved *savedSession) error {
	account := b.memory.Client(saved.User, id)
	b.mu.Lock()
	s := b.newSessionLocked(id, account, true)
	b.mu.Unlock()
	if b.makePersistent(s); !s.isPersistent() {
		return nil
	}
	account.Force(budget.Sessions, s.fee)                   // acknowledged in the previous run: kept, whether it fits or not
	s.expiry, s.known = b.boundedExpiry(saved.Expiry), true // an older version, or another configuration, may have allowed more
	s.stored.restored(saved.Expiry)
	s.who.Store(&permissions.Identity{User: saved.User, Client: id})
	// By the monotonic clock it is gone since this start at least; for longer, if clocks count.
	s.gone = time.Now()
	if saved.Gone != 0 && !saved.Unsure { // else it was connected when we were killed
		s.setGoneBeforeLocked(time.UnixMilli(saved.Gone))
	}
	s.restoreSubs(saved.Subs)
	if data, ok := b.journal.Get(keyOut + id); ok {
		if st, ok := parseExactState(data); ok {
			s.outState.exactState = st
			s.inflight.list = append(s.inflight.list, st.open...)
			s.inflight.unacked = len(st.open)
		}
	}
	if err := s.restoreReceived(); err != nil {
		return err
	}
	s.markSent()
	b.mu.Lock()
	b.expireLocked(s)
	b.mu.Unlock()
	return nil
}

func (s *session) restoreSubs(saved []savedSub) {
	var list []entry
	for _, sub := range saved {
		want := mqtt.Subscription{Filter: sub.Filter}
		want.SetOptions(sub.Options)
		if mqtt.CheckFilter(sub.Filter) == nil && want.QoS <= 2 {
			e := newEntry(s, want, sub.ID)
			s.noteLocked(&e) // nobody else knows it yet
			list = append(list, e)
		}
	}
	s.enter(list, true)
}

// restoreReceived brings back the packet ids of QoS 2 messages whose PUBREL has not come.
func (s *session) restoreReceived() error {
	var state exactState
	if data, ok := s.b.journal.Get(keyIn + s.id); ok {
		state, _ = parseExactState(data)
	}
	s.received.released = state.upTo
	var items []journal.Item
	for after := journal.Seq(0); ; {
		var err error
		if items, err = s.inbound.Read(after, 256, items[:0]); err != nil || len(items) == 0 {
			return err
		}
		for _, it := range items {
			after = it.Seq
			rec, err := mqtt.ViewRecord(it.Data)
			if err != nil || rec.PacketID == 0 || state.released(it.Seq) {
				s.inbound.Ack(it.Seq)
				continue
			}
			s.received.add(rec.PacketID)
			s.received.recorded(rec.PacketID, it.Seq)
			s.recountReceived(s.received.len())
		}
	}
}

// markSent: which messages were sent in the previous run is not known, only that no more
// than a window of them were. They are marked as sent before (DUP): for the receiver it
// says "may be a repetition", which is true.
func (s *session) markSent() {
	items, err := s.queue.Read(0, defaultWindow, nil)
	if err == nil && len(items) > 0 {
		s.resent = items[len(items)-1].Seq
	}
}

// dropOrphans removes queues whose session is gone: its end came between two writes.
func (b *Broker) dropOrphans() {
	for _, prefix := range []string{queueOut, queueIn} {
		for _, name := range b.journal.Queues(prefix) {
			if _, ok := b.sessions[strings.TrimPrefix(name, prefix)]; ok {
				continue
			}
			if err := b.journal.DropQueue(name); err != nil {
				b.log.Warn("a queue without session cannot be dropped", "queue", name, "err", err)
			}
		}
	}
}
