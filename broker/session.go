package broker

import (
	"sync"
	"sync/atomic"
	"time"

	"sensorgate/broker/budget"
	"sensorgate/broker/permissions"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// Keys of the journal's entries.
const (
	keyRetained = "retained/"     // + topic: a message record
	keySession  = "session/meta/" // + client id: subscriptions and expiry
	keyIn       = "session/in/"   // + client id: QoS 2 from the client
	keyOut      = "session/out/"  // + client id: QoS 2 towards it
	keyWill     = "will/"         // + client id: its will, as long as that may be due
	keyBarrier  = "barrier"       // no value: its commit comes after all that was removed before
)

// Names of a session's queues in the journal, before the client id.
const (
	queueOut = "session/" // what waits for it
	queueIn  = "qos2/"    // QoS 2 messages from it whose PUBREL has not come
)

// originClient begins the Origin of what clients publish; their id follows.
const (
	originClient = "client/"
	originBridge = "bridge/"
)

// session is what the broker keeps of one client id (4.1). A persistent one outlives its
// connection: what waits for it is in the journal, and so are its subscriptions and
// what QoS 2 must not forget. Another one ends with its connection and is in memory only.
// What happens to it is drawn in doc.go.
type session struct {
	b                        *Broker
	id                       string
	account                  *budget.Account
	fee                      int64 // bytes that the account has for the session as such
	inflightFee, receivedFee int64
	origin                   string                               // of its publications: "client/ID"
	who                      atomic.Pointer[permissions.Identity] // of the newest connection; permissions are checked against it

	current atomic.Pointer[conn] // conn, for those who may not take mu

	// owner is the connection that has the session, from attach to the end of its
	// teardown; guarded by Broker.mu. A second client with the same id waits until it is
	// nil [MQTT-3.1.4-2; v5: 3.1.4-3].
	owner *conn
	timer *time.Timer // expiry and delayed will; guarded by Broker.mu
	will  *delayedWill
	kept  bool   // it goes on without connection; guarded by Broker.mu
	end   expiry // what the disk knows of its end; guarded by Broker.mu
	known bool   // a CONNECT was answered for it: the next one finds it present

	saving sync.Mutex   // held over save; taken before mu
	stored storedExpiry // what the disk knows of expiry

	mu     sync.Mutex
	conn   *conn // while connected; all that is written to it is written under mu
	dirty  bool  // something was appended to conn's output and somebody will flush it
	expiry uint32
	ended  bool      // what is saved says that it has expired
	gone   time.Time // when the last connection ended, or this run began

	goneBefore time.Time // by the clock of an earlier run; zero: not, or nobody knows
	unsure     bool      // counted in Broker.unsure

	subs    map[string]*subscription // by full filter, with $share/GROUP
	subText int                      // bytes of the filters
	onDisk  int64                    // bytes that it takes there; persistent only
	walks   []*retainedWalk          // retained messages that new subscriptions still have to get
	walkFee int64                    // bytes that the account has for the place of the first

	// Towards the client.
	window   int // QoS 1 and 2 messages that may be unacknowledged
	inflight inflight
	nextID   uint16  // not persistent: the last packet id given
	pending  backlog // not persistent: what waits for room in the window

	// Persistent only. The packet id of a message follows from its Seq, so that it
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

// expiry is how far a session that has expired got to its end. The disk hears of it first: until
// then it gets its messages, or they would be missing if a power cut brought it back.
type expiry struct {
	n       uint64 // of the newest end that was written
	asked   bool   // one was written in this absence of the client
	written bool   // it is there, or on its way
	known   bool   // it is there
}

// connected reports whether a message given now would be sent.
func (s *session) connected() bool { return s.current.Load() != nil }

func (s *session) isPersistent() bool { return s.queue != nil }

// setGoneBeforeLocked notes when the last connection ended by the clock of an earlier run; zero
// when that does not matter any more.
func (s *session) setGoneBeforeLocked(at time.Time) {
	held := !at.IsZero() && s.expiry != mqtt.SessionForever
	if held != s.unsure {
		s.unsure = held
		if held {
			s.b.unsure.sessions.Add(1)
		} else {
			s.b.unsure.sessions.Add(-1)
		}
	}
	s.goneBefore = at
}

// freeID returns the next packet id of a session that is not persistent. They are given in
// turn, and maxInflightSpan keeps the oldest in use far from the next.
func (s *session) freeID() uint16 {
	s.nextID++
	if s.nextID == 0 {
		s.nextID = 1
	}
	return s.nextID
}

// maySendLocked reports whether a QoS 1 or 2 message may be sent now: the client's receive
// maximum [MQTT-3.3.4-9, v5], and no more in the output than the socket takes.
func (s *session) maySendLocked() bool {
	f := &s.inflight
	return f.unacked < s.window && f.span() < maxInflightSpan && s.conn.waiting() < maxOutQueue && (len(f.list) < cap(f.list) || s.inflightFitsLocked())
}
