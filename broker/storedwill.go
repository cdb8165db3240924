package broker

import (
	"encoding/json"
	"strings"
	"time"

	"sensorgate/broker/permissions"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// A will is in the journal from CONNECT until it is published or void, in the window of
// telemetry: who was connected when the power went is gone, and its subscribers hear so after
// the restart. One with a delay waits for it then: from the start on, or as soon as the clock can
// be trusted from the end of the connection on.

// restoreWills brings back the wills of an earlier run: those of persistent sessions wait for
// their delay, the others are published now.
func (b *Broker) restoreWills() {
	for _, key := range b.journal.Keys(keyWill) {
		data, ok := b.journal.Get(key)
		if !ok {
			continue
		}
		id := strings.TrimPrefix(key, keyWill)
		var stored storedWill
		err := json.Unmarshal(data, &stored)
		if err != nil || mqtt.CheckTopic(stored.Topic) != nil || stored.QoS > 2 {
			b.log.Warn("a stored will cannot be read and is dropped", "client", id, "err", err)
			b.journal.Delete(key, journal.Telemetry)
			continue
		}
		if due := b.restoreWill(id, &stored, int64(len(data))); due != nil {
			b.publishWill(due)
		}
	}
}

// restoreWill returns the will if it is due.
func (b *Broker) restoreWill(id string, stored *storedWill, size int64) (due *delayedWill) {
	will := &mqtt.Will{Topic: stored.Topic, Payload: stored.Payload, QoS: stored.QoS, Retain: stored.Retain, Delay: stored.Delay}
	if len(stored.Properties) > 0 {
		will.Properties, _ = mqtt.ParsePublishProperties(stored.Properties) // checked when they came in
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sessions[id]
	if s == nil { // its session ended with its connection
		s = &session{b: b, id: id, origin: originClient + id, account: b.own}
		s.who.Store(&permissions.Identity{User: stored.User, Client: id})
		will.Delay = 0
	}
	b.wills.mu.Lock()
	n := b.noteWillLocked(id, size, true)
	b.wills.mu.Unlock()
	dw := &delayedWill{will: will, from: s, stored: n, at: time.Now().Add(time.Duration(will.Delay) * time.Second)}
	if will.Delay == 0 {
		return dw
	}
	if stored.Gone != 0 {
		dw.goneBefore = time.UnixMilli(stored.Gone)
		b.unsure.wills.Add(1)
	}
	s.will = dw
	s.stopTimerLocked()
	b.expireLocked(s)
	return nil
}
