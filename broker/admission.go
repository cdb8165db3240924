package broker

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"sync"
	"time"

	"sensorgate/broker/permissions"
	"sensorgate/internal/mqtt"
)

// newConn checks what CONNECT asks for and makes the conn.
func (b *Broker) newConn(l *listener, from string, connect *mqtt.Connect) (*conn, mqtt.Reason) {
	if connect.AuthMethod != "" {
		return nil, mqtt.BadAuthMethod // [MQTT-4.12.0-1, v5]: we have none
	}
	if connect.ClientID == "" {
		// [MQTT-3.1.3-8]; at 3.1 an id has at least one character (its section 3.1).
		if connect.Level == mqtt.Level31 || connect.Level == mqtt.Level311 && !connect.CleanStart {
			return nil, mqtt.ClientIDNotValid
		}
	}
	limits := b.limitsOf(l)
	switch {
	case !limits.speaks(connect.Level):
		return nil, mqtt.UnsupportedVersion
	case connect.Will != nil && mqtt.CheckTopic(connect.Will.Topic) != nil:
		return nil, mqtt.TopicNameInvalid
	case connect.Will != nil && connect.Will.QoS > limits.maxQoS():
		return nil, mqtt.QoSNotSupported // [MQTT-3.2.2-12, v5]
	}
	c := &conn{
		b: b, listener: l, remote: from, level: connect.Level, bridge: connect.Bridge,
		will: connect.Will, problemInfo: connect.RequestProblem,
		limits:      limits,
		maxPacketIn: limits.MaxPacketSize,
		aliases:     newAliasesOut(connect.TopicAliasMax),
		done:        make(chan struct{}),
		id:          connect.ClientID,
	}
	if c.id == "" {
		c.id = "auto-" + randomID() // [MQTT-3.1.3-6; v5: 3.1.3-6, 3.1.3-7]
	}
	c.expiry = b.sessionExpiry(connect)
	c.persistent = c.expiry > 0
	c.host, _, _ = net.SplitHostPort(c.remote) // "" for a socket that has no host
	c.maxPacketOut = maxPacketOf(connect)
	c.connack = mqtt.Connack{ReceiveMaximum: uint16(limits.receiveMaximum(c.level)), TopicAliasMax: maxAliases, MaximumPacket: uint32(c.maxPacketIn)}
	if connect.ClientID == "" { // [MQTT-3.1.3-6; v5: 3.1.3-6, 3.1.3-7]
		c.connack.AssignedClientID = c.id
	}
	if connect.Level == mqtt.Level5 && c.expiry != connect.SessionExpiry { // 3.2.2.3.2
		c.connack.SessionExpiry, c.connack.HasSessionExpiry = c.expiry, true
	}
	if qos := limits.maxQoS(); qos < 2 { // 3.2.2.3.4
		c.connack.MaximumQoS, c.connack.HasMaximumQoS = qos, true
	}
	var tell, ok bool
	if c.keepAlive, tell, ok = limits.keepAlive(c.level, time.Duration(connect.KeepAlive)*time.Second); !ok {
		return nil, mqtt.ClientIDNotValid // 3.1.1 has no better word for it
	}
	if tell {
		c.connack.ServerKeepAlive, c.connack.HasKeepAlive = uint16(c.keepAlive/time.Second), true // 3.2.2.3.14
	}
	if !c.fitConnack() {
		return nil, mqtt.PacketTooLarge
	}
	return c, mqtt.Success
}

func randomID() string {
	b := make([]byte, 12)
	_, _ = rand.Read(b) // never fails: crypto/rand
	return hex.EncodeToString(b)
}

// maxPacketOf is the largest packet that the client takes [MQTT-3.1.2-24, v5].
func maxPacketOf(connect *mqtt.Connect) int {
	if connect == nil || connect.MaximumPacket == 0 {
		return mqtt.MaxRemaining + 5
	}
	return int(min(int64(connect.MaximumPacket), mqtt.MaxRemaining+5))
}

// fitConnack leaves out of the CONNACK what the client can do without until it is small
// enough. It reports false when what is left is still too large.
func (c *conn) fitConnack() bool {
	a := &c.connack
	fits := func() bool { return len(mqtt.AppendConnack(nil, c.level, a)) <= c.maxPacketOut }
	for _, leaveOut := range []func(){
		func() { a.TopicAliasMax = 0 }, // then it may not use any
		func() { a.MaximumPacket = 0 }, // then it finds out
		func() { a.ReceiveMaximum = 0 },
	} {
		if fits() {
			return true
		}
		leaveOut()
	}
	return fits()
}

// sessionExpiry returns for how many seconds the session is kept without connection: what
// the client asks for, or may not ask for at its level, within what we allow.
func (b *Broker) sessionExpiry(connect *mqtt.Connect) uint32 {
	switch {
	case connect.Level == mqtt.Level5:
		return b.boundedExpiry(connect.SessionExpiry)
	case connect.CleanStart:
		return 0
	}
	return b.boundedExpiry(mqtt.SessionForever)
}

// enter counts the connection in, if the client may come in and there is room.
func (b *Broker) enter(c *conn, connect *mqtt.Connect, who *permissions.Identity) mqtt.Reason {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing {
		return mqtt.ServerShuttingDown
	}
	if reason := b.admitsLocked(c); reason != mqtt.Success {
		return reason
	}
	s := b.sessions[c.id]
	if s != nil && !b.ownsLocked(s, who) {
		b.log.Warn("connection refused: the session with this client id belongs to another user", "remote", c.remote, "client", c.id, "user", who.User)
		return mqtt.ClientIDNotValid
	}
	makes := s == nil || connect.CleanStart || !s.kept
	if makes && c.persistent && b.persistent >= b.limits().MaxSessions {
		b.count.noMemory.Add(1)
		b.log.Warn("connection refused: as many persistent sessions as allowed", "remote", c.remote, "client", c.id, "sessions", b.persistent)
		return mqtt.QuotaExceeded
	}
	if makes && c.persistent && !b.onDisk.takes(b.onDisk.ofSession(c.id)-s.takesOnDisk()) {
		b.count.noMemory.Add(1)
		b.log.Warn("connection refused: persistent sessions take a sixth of the journal", "remote", c.remote, "client", c.id, "sessions", b.persistent)
		return mqtt.QuotaExceeded
	}
	if !c.chargeLocked(who.User, makes) {
		b.count.noMemory.Add(1)
		return mqtt.QuotaExceeded
	}
	if makes && c.persistent { // held until claim makes the session
		c.sessionOnDisk = b.onDisk.ofSession(c.id)
		b.onDisk.sessions.Add(c.sessionOnDisk)
	}
	b.conns[c] = struct{}{}
	b.places.take(c)
	n := b.count.clients.Add(1)
	b.count.clientsMax.Store(max(n, b.count.clientsMax.Load()))
	return mqtt.Success
}

// admitsLocked reports whether there is room for one more connection.
func (b *Broker) admitsLocked(c *conn) mqtt.Reason {
	l := c.listener.settings()
	all, here, host := b.places.taken(c)
	switch {
	case all >= b.limits().MaxClients:
		b.log.Warn("connection refused: as many clients as allowed", "remote", c.remote, "clients", all)
		return mqtt.QuotaExceeded
	case l.MaxClients > 0 && here >= l.MaxClients:
		b.log.Warn("connection refused: as many clients as the listener allows", "remote", c.remote, "listener", c.listener.String())
		return mqtt.QuotaExceeded
	case c.limits.MaxPerAddress > 0 && host >= c.limits.MaxPerAddress:
		if more, due := b.refusals.due(time.Now()); due {
			b.log.Warn("connection refused: as many clients from its address as allowed", "remote", c.remote, "clients", host, "more", more)
		}
		return mqtt.ConnectionRateExceeded
	}
	return mqtt.Success
}

// ownsLocked reports whether a session is the user's: of the user who made it. What
// somebody made when there were no users is everybody's, and where there are none now, a
// name proves nothing.
func (b *Broker) ownsLocked(s *session, who *permissions.Identity) bool {
	owner := s.who.Load().User
	return owner == "" || owner == who.User || who.User == "" && !b.permissions.Load().HasUsers()
}

// leave is the other way round of enter.
func (b *Broker) leave(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c)
	b.places.giveBack(c)
	b.count.clients.Add(-1)
	c.release()
}

// refusals keeps a flood of logins that are refused from filling the log: a line a
// second, with the number of those that had none. The zero value is ready.
type refusals struct {
	mu   sync.Mutex
	last time.Time
	more int
}

const refusalsEvery = time.Second

// due reports whether a refusal gets a line, and how many before it had none.
func (r *refusals) due(now time.Time) (more int, due bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.last) < refusalsEvery {
		r.more++
		return 0, false
	}
	more, r.last, r.more = r.more, now, 0
	return more, true
}

// logEnd writes to the log why a connection ended, if that is worth a line.
func (b *Broker) logEnd(c *conn) {
	reason, asked := c.stopReason()
	switch {
	case c.violated():
		b.count.malformed.Add(1)
		b.log.Warn("client broke the protocol", "client", c.session.id, "remote", c.remote, "err", c.end)
	case asked:
		b.log.Info("client closed", "client", c.session.id, "reason", fmt.Sprint(reason))
	case c.clean:
		b.log.Debug("client left", "client", c.session.id)
	default:
		b.log.Info("client lost", "client", c.session.id, "err", c.end)
	}
}
