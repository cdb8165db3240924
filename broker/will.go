package broker

import (
	"encoding/json"
	"time"

	"sensorgate/broker/budget"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// delayedWill is a will that is published later, unless the client comes back
// (3.1.3.2.2, v5).
type delayedWill struct {
	will *mqtt.Will
	from *session
	at   time.Time
	fee  int64 // bytes that the account has for it

	goneBefore time.Time // when the connection ended, by the clock of an earlier run; zero: in this run, or nobody knows

	stored uint64 // its number in storedWills; 0: whichever is there
}

// dropWillLocked forgets a delayed will. The caller holds Broker.mu.
func (s *session) dropWillLocked() {
	if s.will != nil {
		if !s.will.goneBefore.IsZero() {
			s.b.unsure.wills.Add(-1)
		}
		s.account.Release(budget.Wills, s.will.fee)
		s.will = nil
	}
}

// lastWill decides about the will of a connection that has ended: none after DISCONNECT
// [MQTT-3.14.4-3], later if it has a delay and the session goes on, else now.
func (b *Broker) lastWill(w *worker, c *conn, ends bool) (later *delayedWill) {
	if c.will == nil || c.clean {
		b.forgetWill(c.session.id, 0)
		return nil
	}
	dw := &delayedWill{will: c.will, from: c.session, stored: c.willStored}
	if delay := time.Duration(c.will.Delay) * time.Second; delay > 0 && !ends {
		dw.at = time.Now().Add(delay)
		dw.fee, c.willFee = c.willFee, 0
		dw.stored = b.storeWill(c.session, c.will, time.Now())
		return dw
	}
	w.publishWill(dw)
	return nil
}

// publishWill publishes a will and sends it.
func (b *Broker) publishWill(dw *delayedWill) {
	w := b.worker()
	defer w.release()
	w.publishWill(dw)
}

// publishWill publishes a will, with the permissions that its client has now.
func (w *worker) publishWill(dw *delayedWill) {
	b := w.b
	will := dw.will
	r := w.routeString(will.Topic)
	defer b.forgetWill(dw.from.id, dw.stored) // behind it in the journal
	if r.err != nil || !b.permissions.Load().MayWrite(dw.from.who.Load(), will.Topic) {
		b.drop(&b.count.denied)
		return
	}
	p := &w.pub
	*p = publication{
		route: r, payload: will.Payload, qos: will.QoS, retain: will.Retain, at: w.now,
		origin: dw.from.origin, account: dw.from.account,
	}
	if props := will.Properties; props != nil {
		p.hasExpiry, p.expiry = props.HasExpiry, props.MessageExpiry
		plain := *props
		plain.HasExpiry = false
		w.props = mqtt.AppendPublishProperties(w.props[:0], &plain, 0)
		p.props = w.props
	}
	w.publish(p, nil, 0)
	w.commit() // before the will is forgotten
}

// storedWill is the journal's entry of a will. JSON, as sessions are.
type storedWill struct {
	User       string `json:"user,omitempty"`
	Topic      string `json:"topic"`
	Payload    []byte `json:"payload,omitempty"`
	QoS        byte   `json:"qos,omitempty"`
	Retain     bool   `json:"retain,omitempty"`
	Delay      uint32 `json:"delay,omitempty"`      // seconds
	Properties []byte `json:"properties,omitempty"` // as in a PUBLISH of MQTT 5
	Gone       int64  `json:"gone,omitempty"`       // Unix milliseconds of the end of the connection; 0: connected, or nobody knows
}

// storeWill writes the will of a session's client and numbers it; gone is when its connection
// ended, zero while it is connected. A will that the disk has no room for is kept in memory
// only, and counted.
func (b *Broker) storeWill(s *session, will *mqtt.Will, gone time.Time) (n uint64) {
	stored := storedWill{
		User: s.who.Load().User, Topic: will.Topic, Payload: will.Payload, QoS: will.QoS, Retain: will.Retain, Delay: will.Delay,
	}
	if will.Properties != nil {
		stored.Properties = mqtt.AppendPublishProperties(nil, will.Properties, 0)
	}
	if stamp, ok := b.journal.Stamp(gone); ok && !gone.IsZero() {
		stored.Gone = stamp.UnixMilli()
	}
	data, err := json.Marshal(stored)
	if err != nil { // strings and numbers only: cannot be
		panic(err)
	}
	b.wills.mu.Lock()
	defer b.wills.mu.Unlock()
	if n = b.noteWillLocked(s.id, int64(len(data)), false); n != 0 {
		b.journal.Put(keyWill+s.id, data, journal.Telemetry, nil, 0)
	}
	return n
}

// noteWillLocked accounts for a will of that many bytes; 0 if there is no room on the disk.
func (b *Broker) noteWillLocked(id string, size int64, force bool) (n uint64) {
	w := &b.wills
	bytes := willOnDisk + 2*int64(len(id)) + size
	more := bytes - w.byID[id].bytes
	if !force && more > 0 && !b.onDisk.takes(more) {
		b.drop(&b.count.full)
		return 0
	}
	b.onDisk.sessions.Add(more)
	if w.byID == nil {
		w.byID = map[string]willEntry{}
	}
	w.n++
	w.byID[id] = willEntry{w.n, bytes}
	return w.n
}

// forgetWill removes what storeWill wrote under that number; 0 is whatever there is. The will
// is void, or was published just now.
func (b *Broker) forgetWill(id string, n uint64) {
	w := &b.wills
	w.mu.Lock()
	defer w.mu.Unlock()
	e, ok := w.byID[id]
	if !ok || n != 0 && e.n != n {
		return
	}
	delete(w.byID, id)
	b.onDisk.sessions.Add(-e.bytes)
	b.journal.Delete(keyWill+id, journal.Telemetry)
}
