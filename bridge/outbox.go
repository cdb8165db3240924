package bridge

import (
	"maps"
	"sync"
	"time"

	"sensorgate/internal/mqtt"
)

// outbox holds the packets that are about to leave on one connection. It is the only place
// that makes a PUBLISH or an acknowledgement (TestOnePlaceMakesPackets), and it sorts them:
// those that make the upstream forget or remember something of QoS 2 wait until the ledger
// that knows of it is on disk, on every path, also after a reconnect. All others may leave
// at once: the record of a PUBLISH of QoS 1 is in the spool until its PUBACK came. A PUBACK of
// ours waits too when our broker has stored the message: a write of the ledger that begins
// after it is on disk when the message is.
//
// A write of the ledger covers all packets that were staged when it began:
//
//	staged ─▶ save ─▶ covered ─▶ Committed ─▶ ready ─▶ socket
//
// If the disk is slow they wait, and nothing else does. If the journal is full or failed the
// write is tried again every second: the upstream keeps what it has.
type outbox struct {
	ledger *ledger
	level  byte

	// of the sender
	ready    []byte // may be written
	staged   []byte // wait for the next write of the ledger
	covered  []byte // wait for the one under way
	covering uint64 // its token, 0 none
	retry    time.Time
	// Something waits for the disk although no session is kept: among the staged packets, and
	// among the covered ones.
	needDisk, neededDisk bool
	// Topics of which a PUBLISH of QoS 0 or 1 waits, among the staged and the covered ones.
	heldStaged, heldCovered map[string]bool

	mu        sync.Mutex
	acks      []byte // of the reader, go to ready
	exactAcks []byte // of the reader, go to staged
	stored    bool   // one of these waits for a message that our broker has stored
	behind    bool   // a PUBACK waits: the next ones go behind it [MQTT-4.6.0-2]
}

// saveRetry is the wait after a write of the ledger that the journal did not take.
const saveRetry = time.Second

// publish encodes a PUBLISH. With QoS 2 it is staged: its identifier is in the ledger. With
// wait it is too: something else that was put into the journal before must be on disk. What
// follows on the same topic waits behind it [MQTT-4.6.0-6].
func (o *outbox) publish(flags byte, topic string, id uint16, props, payload []byte, wait bool) {
	to := &o.ready
	o.needDisk = o.needDisk || wait
	switch exact := flags>>1&3 == 2; {
	case wait || exact:
		o.collect() // what was acknowledged before goes before it
		to = &o.staged
	case o.heldStaged[topic]:
		to = &o.staged
	case o.heldCovered[topic]:
		to = &o.covered
	}
	if wait {
		if o.heldStaged == nil {
			o.heldStaged = map[string]bool{}
		}
		o.heldStaged[topic] = true
	}
	*to = mqtt.AppendPublish(*to, o.level, flags, topic, id, props, payload)
}

// acknowledge encodes PUBACK, PUBREC, PUBREL or PUBCOMP. Any goroutine may call it.
func (o *outbox) acknowledge(t mqtt.Type, id uint16) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.acknowledgeLocked(t, id)
}

// acknowledgeStored encodes the PUBACK of a message that our broker has given to the journal.
func (o *outbox) acknowledgeStored(id uint16) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stored, o.behind = true, true
	o.acknowledgeLocked(mqtt.PUBACK, id)
}

func (o *outbox) acknowledgeLocked(t mqtt.Type, id uint16) {
	to := &o.exactAcks
	if t == mqtt.PUBACK && !o.behind {
		to = &o.acks
	}
	*to = mqtt.AppendAck(*to, t, o.level, id, mqtt.Success)
}

// subscribe encodes a SUBSCRIBE.
func (o *outbox) subscribe(s mqtt.Subscribe) { o.ready = mqtt.AppendSubscribe(o.ready, o.level, s) }

// ping encodes a PINGREQ.
func (o *outbox) ping() { o.ready = append(o.ready, byte(mqtt.PINGREQ)<<4, 0) }

// disconnect encodes a DISCONNECT; nothing may be encoded after it.
func (o *outbox) disconnect() {
	o.ready = mqtt.AppendDisconnect(o.ready, o.level, mqtt.Success, "")
}

// size is how many bytes were encoded and have not begun to wait for the disk.
func (o *outbox) size() int { return len(o.ready) + len(o.staged) }

// collect takes what the reader acknowledged since the last call.
func (o *outbox) collect() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ready, o.acks = append(o.ready, o.acks...), o.acks[:0]
	o.staged, o.exactAcks = append(o.staged, o.exactAcks...), o.exactAcks[:0]
	o.needDisk, o.stored = o.needDisk || o.stored, false
	o.behind = o.behind && (len(o.staged) > 0 || o.covering != 0)
}

// settle moves packets that wait for the ledger on, and begins its next write.
func (o *outbox) settle(now time.Time) {
	o.collect()
	g := o.ledger
	switch {
	case o.covering == 0:
	case g.written.Load() >= o.covering:
		o.ready = append(o.ready, o.covered...)
		o.covered, o.covering = o.covered[:0], 0
		clear(o.heldCovered)
	case g.refused.Load() >= o.covering:
		o.staged = append(o.covered, o.staged...)
		o.covered, o.covering = nil, 0
		o.holdAgain()
		o.retry = now.Add(saveRetry)
	}
	if o.covering != 0 || len(o.staged) == 0 || now.Before(o.retry) {
		return
	}
	o.retry = time.Time{}
	o.covered, o.staged = o.staged, o.covered[:0]
	o.heldCovered, o.heldStaged = o.heldStaged, o.heldCovered
	o.covering = g.save(o.needDisk)
	o.neededDisk, o.needDisk = o.needDisk, false
	if g.written.Load() >= o.covering { // nothing to wait for
		o.settle(now)
	}
}

// holdAgain: what was covered is staged again, and what it needed it needs again.
func (o *outbox) holdAgain() {
	o.needDisk = o.needDisk || o.neededDisk
	if len(o.heldStaged) == 0 {
		o.heldStaged, o.heldCovered = o.heldCovered, o.heldStaged
		return
	}
	maps.Copy(o.heldStaged, o.heldCovered)
	clear(o.heldCovered)
}

// clear forgets what was written.
func (o *outbox) clear() {
	if cap(o.ready) > 4*batchBytes {
		o.ready = nil
	}
	o.ready = o.ready[:0]
}
