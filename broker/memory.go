package broker

import (
	"sensorgate/broker/budget"
	"sensorgate/internal/mqtt"
)

// What things take in memory, in bytes, besides the texts and payloads that come with
// them. TestAccountAgreesWithTheHeap and TestAccountOfTLSAndWebSocketAgreesWithTheHeap compare
// them with the heap and the stacks.
const (
	connCost         = 2 << 10  // a plain connection that an event loop serves
	tlsCost          = 21 << 10 // more for TLS, with its two goroutines; see also recordFee
	webCost          = 16 << 10 // more for WebSocket without TLS, whose buffers serve both
	loginCost        = 12 << 10 // a connection whose CONNECT is not accepted yet
	handshakeCost    = 20 << 10 // more for one that is in the handshake of TLS
	sessionCost      = 600      // a session that ends with its connection
	persistentCost   = 1800     // more for one with queues in the journal
	subscriptionCost = 300      // with its cursor over the retained messages
	retainedCost     = 420      // with its entry in the journal
	willCost         = 250
	propertiesCost   = 180
	userPropertyCost = 32 // two strings without their bytes
	aliasCost        = 20
	aliasOutCost     = 64 // with its place in the map
	routeCost        = 300
	targetCost       = 96
	inflightCost     = 16 // one message that is not acknowledged
	receivedCost     = 8<<10 + 512
	receivedIDCost   = 48
)

// sessionFee returns what a session costs as such.
func sessionFee(id string, persistent bool) int64 {
	fee := sessionCost + 2*int64(len(id))
	if persistent {
		fee += persistentCost + 4*int64(len(id)) // names of queues and entries
	}
	return fee
}

// connFee returns what a connection costs as such.
func connFee(l *listener) int64 {
	fee := int64(connCost)
	switch l.Network {
	case "tls", "wss":
		fee += tlsCost
	case "ws":
		fee += webCost
	}
	return fee
}

// loginFee returns what a connection costs before its CONNECT is accepted.
func loginFee(l *listener) int64 {
	fee := loginCost + connFee(l) - connCost
	if l.Network == "tls" || l.Network == "wss" {
		fee += handshakeCost
	}
	return fee
}

// willFee returns what a will costs; nil costs nothing.
func willFee(w *mqtt.Will) int64 {
	if w == nil {
		return 0
	}
	fee := int64(willCost + len(w.Topic) + len(w.Payload))
	if p := w.Properties; p != nil {
		fee += propertiesCost + int64(len(p.ContentType)+len(p.ResponseTopic)+len(p.CorrelationData)) + userFee(p.User, cap(p.User))
	}
	return fee
}

// userFee returns what user properties cost in a list with so much room.
func userFee(list []mqtt.UserProperty, room int) int64 {
	rounded := func(s string) int64 { return int64(len(s)+7) &^ 7 } // allocations are
	fee := int64(room) * userPropertyCost
	for i := range list {
		fee += rounded(list[i].Key) + rounded(list[i].Value)
	}
	return fee
}

// chargeLocked takes what the connection, its will and, if one will be made, its session
// cost; all or nothing. The caller holds Broker.mu.
func (c *conn) chargeLocked(user string, makesSession bool) bool {
	c.account = c.b.memory.Client(user, c.id)
	c.fixed = connFee(c.listener)
	c.willFee = willFee(c.will)
	if makesSession {
		c.sessionFee = sessionFee(c.id, c.persistent)
	}
	a := c.account
	switch {
	case !a.Charge(budget.Connections, c.fixed):
	case !a.Charge(budget.Wills, c.willFee):
		a.Release(budget.Connections, c.fixed)
	case !a.Charge(budget.Sessions, c.sessionFee):
		a.Release(budget.Connections, c.fixed)
		a.Release(budget.Wills, c.willFee)
	default:
		return true
	}
	a.Close()
	return false
}

// release returns what is still charged for the connection itself.
func (c *conn) release() {
	a := c.account
	a.Release(budget.Connections, c.fixed)
	a.Release(budget.Wills, c.willFee)
	a.Release(budget.Sessions, c.sessionFee)
	a.Release(budget.Aliases, c.aliasFee+c.aliases.paid())
	a.Release(budget.Inflight, c.ackFee)
	c.fixed, c.willFee, c.sessionFee, c.aliasFee, c.ackFee, c.aliases = 0, 0, 0, 0, 0, nil
	c.b.onDisk.sessions.Add(-c.sessionOnDisk)
	c.sessionOnDisk = 0
	a.Close()
}

// releaseLocked returns what is charged for a session that is removed; its subscriptions
// are removed by then. The caller holds s.mu.
func (s *session) releaseLocked() {
	s.account.Release(budget.Sessions, s.fee)
	s.account.Release(budget.Inflight, s.inflightFee+s.receivedFee)
	s.fee, s.inflightFee, s.receivedFee = 0, 0, 0
	s.account.Close()
}

// inflightFitsLocked reports whether one more message may be noted as sent. The list
// doubles; the budget may not have as much.
func (s *session) inflightFitsLocked() bool {
	f := &s.inflight
	if f.head > 0 || len(f.list) < cap(f.list) || cap(f.list) == 0 {
		return true // what is done makes room
	}
	size := 2 * cap(f.list)
	if !s.account.Charge(budget.Inflight, int64(size)*inflightCost-s.inflightFee) {
		return false
	}
	s.inflightFee = int64(size) * inflightCost
	f.list = append(make([]sentMessage, 0, size), f.list...)
	return true
}

// sentLocked notes a message that was sent; inflightFitsLocked was true.
func (s *session) sentLocked(m sentMessage) {
	if f := &s.inflight; cap(f.list) == 0 {
		f.list = make([]sentMessage, 0, firstInflight)
		s.account.Force(budget.Inflight, firstInflight*inflightCost-s.inflightFee)
		s.inflightFee = firstInflight * inflightCost
	}
	s.inflight.push(m)
}

// firstInflight is how many messages the list has room for first.
const firstInflight = 16

// doneLocked takes m off the list; it is not valid afterwards.
func (s *session) doneLocked(m *sentMessage) {
	s.inflight.done(m)
	if s.inflight.list == nil && s.inflightFee > 0 {
		s.account.Release(budget.Inflight, s.inflightFee)
		s.inflightFee = 0
	}
}

// recountReceived notes what the packet ids of QoS 2 messages from the client take.
func (s *session) recountReceived(ids int) {
	fee := int64(receivedCost) + int64((ids+63)&^63)*receivedIDCost
	if fee > s.receivedFee {
		s.account.Force(budget.Inflight, fee-s.receivedFee)
		s.receivedFee = fee
	}
}

// takesOnDisk is what a session would give back, nil too.
func (s *session) takesOnDisk() int64 {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.onDisk
}

// growLocked accounts for n more bytes of a persistent session, fewer if n is negative.
func (s *session) growLocked(n int64) {
	if !s.kept {
		return
	}
	s.onDisk += n
	s.b.onDisk.sessions.Add(n)
}
