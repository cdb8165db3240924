package broker

import (
	"sync"
	"sync/atomic"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// session is what the broker keeps of one client id (4.1). A durable one outlives its
// connection: what waits for it is in the journal, and so are its subscriptions and
// what QoS 2 must not forget. Another one ends with its connection and is in memory only.
//
//	        attach                    teardown, session goes on
//	(new) ─────────▶ connected ──────────────────────────────▶ waiting ──▶ expired, removed
//	                     │  ▲                                     │
//	                     │  └─────────────── attach ──────────────┘
//	                     └─ teardown, session ends ─▶ removed
type session struct {
	b      *Broker
	id     string
	origin string                   // of its publications: "client/ID"
	who    atomic.Pointer[identity] // of the newest connection; rights are checked against it

	current atomic.Pointer[conn] // conn, for those who may not take mu

	// owner is the connection that has the session, from attach to the end of its
	// teardown; guarded by Broker.mu. A second client with the same id waits until it is
	// nil [MQTT-3.1.4-2; v5: 3.1.4-3].
	owner *conn
	timer *time.Timer // expiry and delayed will; guarded by Broker.mu
	will  *delayedWill
	known bool // a CONNECT was answered for it: the next one finds it present

	mu     sync.Mutex
	conn   *conn // while connected; all that is written to it is written under mu
	dirty  bool  // something was appended to conn's output and somebody will flush it
	expiry uint32
	gone   time.Time // when the last connection ended

	subs map[string]*subscription // by full filter, with $share/GROUP

	// Towards the client.
	window   int // QoS 1 and 2 messages that may be unacknowledged
	inflight inflight
	nextID   uint16 // not durable: the last packet id given
	pending  []held // not durable: what waits for room in the window
	held     int    // bytes of pending

	// Durable only. The packet id of a message follows from its Seq, so that it
	// survives a restart without being written.
	queue    *journal.Queue
	inbound  *journal.Queue // QoS 2 messages whose PUBREL has not come; nil until needed
	live     bool           // everything in the queue up to sent was sent: new messages go straight out
	sent     journal.Seq    // newest record given to the connection
	resent   journal.Seq    // records up to here were sent before: DUP
	outState qos2Out

	uncommitted seqSet // QoS 2 records that must not be sent yet

	// From the client.
	received qos2In
	inDirty  bool // received changed in this batch; used by the connection's goroutine only
}

// connected reports whether a message given now would be sent.
func (s *session) connected() bool { return s.current.Load() != nil }

func (s *session) isDurable() bool { return s.queue != nil }

// sentState of a message towards the client.
type sentState byte

const (
	sentPublish sentState = iota // waits for PUBACK or PUBREC
	sentPubrel                   // QoS 2: waits for PUBCOMP
	sentDone                     // acknowledged before an older one
)

type sentMessage struct {
	seq   journal.Seq // durable only
	id    uint16
	qos   byte
	state sentState
}

// inflight are the messages that were sent and are not acknowledged, oldest first.
type inflight struct {
	list    []sentMessage
	head    int
	unacked int
	oldest  journal.Seq // durable only: no unacknowledged one is older
}

// maxInflightSpan bounds the list when a client acknowledges all but the oldest.
const maxInflightSpan = 16384

func (f *inflight) span() int { return len(f.list) - f.head }

func (f *inflight) push(m sentMessage) {
	if f.head > 0 && len(f.list) == cap(f.list) {
		f.list = append(f.list[:0], f.list[f.head:]...)
		f.head = 0
	}
	f.list = append(f.list, m)
	if f.unacked == 0 || m.seq < f.oldest {
		f.oldest = m.seq
	}
	f.unacked++
}

// inUse reports whether the packet id of a record is one of an unacknowledged message.
// Ids repeat after 65,535 records, so as a rule the oldest one says that it cannot be.
func (f *inflight) inUse(seq journal.Seq) bool {
	if f.unacked == 0 || seq < f.oldest+65535 {
		return false
	}
	f.oldest = seq
	for _, m := range f.list[f.head:] {
		if m.state != sentDone {
			f.oldest = min(f.oldest, m.seq)
		}
	}
	return seq >= f.oldest+65535 && f.find(packetID(seq)) != nil
}

// find gives the message with the packet id: in practice one of the oldest.
func (f *inflight) find(id uint16) *sentMessage {
	for i := f.head; i < len(f.list); i++ {
		if m := &f.list[i]; m.id == id && m.state != sentDone {
			return m
		}
	}
	return nil
}

// done takes m out; m is not valid afterwards.
func (f *inflight) done(m *sentMessage) {
	m.state = sentDone
	f.unacked--
	for f.head < len(f.list) && f.list[f.head].state == sentDone {
		f.head++
	}
	if f.head == len(f.list) {
		f.list, f.head = f.list[:0], 0
		if cap(f.list) > 256 {
			f.list = nil
		}
	}
}

// keepReleased forgets all but the QoS 2 messages that wait for PUBCOMP: the others are
// sent again from the queue.
func (f *inflight) keepReleased() {
	kept := f.list[:0]
	f.oldest = 0
	for _, m := range f.list[f.head:] {
		if m.state == sentPubrel {
			kept = append(kept, m)
		}
	}
	f.list, f.head, f.unacked = kept, 0, len(kept)
}

// packetID gives the packet id of a record of a durable session.
func packetID(seq journal.Seq) uint16 { return uint16(seq%65535) + 1 }

// freeID gives the next packet id of a session that is not durable. They are given in
// turn, and maxInflightSpan keeps the oldest in use far from the next.
func (s *session) freeID() uint16 {
	s.nextID++
	if s.nextID == 0 {
		s.nextID = 1
	}
	return s.nextID
}

// matchLocked gives what the session's subscriptions say of a topic, for a message
// that comes from the queue; ok is false when none matches any more.
func (s *session) matchLocked(topic string, shared bool) (t target, ok bool) {
	t = target{session: s, shared: shared}
	for _, sub := range s.subs {
		if (sub.group != "") == shared && mqtt.Match(sub.Filter, topic) {
			t.merge(sub)
			ok = true
		}
	}
	return t, ok
}

// roomLocked reports whether a QoS 1 or 2 message may be sent now: the client's receive
// maximum [MQTT-3.3.4-9, v5], and no more in the output than the socket takes.
func (s *session) roomLocked() bool {
	return s.inflight.unacked < s.window && s.inflight.span() < maxInflightSpan && s.conn.waiting() < maxOutQueue
}

// held is a message that waits in memory for room in the window of a session that is
// not durable: a publication without what only its batch needs.
type held struct {
	route     *route
	bytes     []byte // payload, then properties
	payload   int    // length of the payload
	ids       []uint32
	at        time.Time
	expiry    uint32
	hasExpiry bool
	flags     byte
}

func (h *held) size() int { return len(h.bytes) + 160 }

func (h *held) publication() publication {
	return publication{
		route: h.route, payload: h.bytes[:h.payload:h.payload], props: h.bytes[h.payload:], qos: h.flags >> 1 & 3,
		hasExpiry: h.hasExpiry, expiry: h.expiry, at: h.at,
	}
}

// holdLocked copies p behind what already waits.
func (s *session) holdLocked(p *publication, flags byte, ids []uint32) {
	h := held{
		route: p.route, payload: len(p.payload), ids: ids, at: p.at, expiry: p.expiry, hasExpiry: p.hasExpiry, flags: flags,
		bytes: append(append(make([]byte, 0, len(p.payload)+len(p.props)), p.payload...), p.props...),
	}
	s.pending = append(s.pending, h)
	s.held += h.size()
	s.b.count.outBytes.Add(int64(h.size()))
}

// unholdLocked takes the oldest off.
func (s *session) unholdLocked() {
	size := s.pending[0].size()
	s.held -= size
	s.b.count.outBytes.Add(-int64(size))
	s.pending[0] = held{}
	if s.pending = s.pending[1:]; len(s.pending) == 0 {
		s.pending = nil
	}
}
