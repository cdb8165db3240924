package bridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

const (
	connackTimeout = 30 * time.Second

	// maxPacket bounds a packet that comes down; what is larger is refused.
	maxPacket = 4 << 20

	// inboundMax is how many messages may come down unacknowledged (MQTT 5).
	inboundMax = 64
)

// connectAt opens a connection with a protocol level: byte stream, CONNECT, CONNACK.
func (b *Bridge) connectAt(ctx context.Context, u *url.URL, level byte) (*connection, error) {
	packet, err := b.connectPacket(level)
	if err != nil {
		return nil, err
	}
	conn, err := b.dial(ctx, u)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c := &connection{
		b: b, url: u, conn: conn, level: packet.Level,
		in:    newPacketReader(conn, maxPacket),
		woken: make(chan struct{}, 1),
		multi: map[journal.Seq]int{},
		out:   outbox{ledger: b.ledger, level: packet.Level},
	}
	c.flight.first, c.flight.next = b.packets, b.packets
	ack, err := c.handshake(packet)
	if err != nil {
		conn.Close()
		return nil, err
	}
	c.accept(ack)
	now := time.Now()
	b.streams.begin(b.opt.Queue, b.opt.Backlog, now, b.lostInSpool)
	b.streams.ahead = b.streams.ahead || b.opt.InOrder
	if b.streams.backlog.empty() {
		b.retainedLive.clear()
	}
	if err := c.resume(ack.SessionPresent, now); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

func (b *Bridge) connectPacket(level byte) (*mqtt.Connect, error) {
	o := &b.opt
	c := &mqtt.Connect{
		Level:      level,
		CleanStart: !b.rules.keepSession(),
		KeepAlive:  uint16(min(o.KeepAlive/time.Second, 65535)),
		ClientID:   o.ClientID,
	}
	if o.User != "" {
		c.Username, c.HasUsername = o.User, true
	}
	if o.Password != nil {
		password, err := o.Password()
		if err != nil {
			return nil, fmt.Errorf("password: %w", err)
		}
		c.Password, c.HasPassword = []byte(password), true
	}
	if w := b.lastWill(); w != nil {
		c.Will = &mqtt.Will{Topic: w.Topic, Payload: []byte(w.Offline), QoS: w.QoS, Retain: w.Retain}
	}
	if level == mqtt.Level5 {
		c.ReceiveMaximum, c.MaximumPacket = inboundMax, maxPacket
		c.User = []mqtt.UserProperty{{Key: "sensorgate", Value: o.Version}}
		if !c.CleanStart {
			c.SessionExpiry = mqtt.SessionForever
		}
	}
	return c, nil
}

func (b *Bridge) statusTopic() string { return b.status }

// handshake sends the CONNECT and reads the answer.
func (c *connection) handshake(packet *mqtt.Connect) (mqtt.Connack, error) {
	c.conn.SetDeadline(time.Now().Add(connackTimeout))
	defer c.conn.SetDeadline(time.Time{})
	if _, err := c.conn.Write(mqtt.AppendConnect(nil, packet)); err != nil {
		return mqtt.Connack{}, err
	}
	f, err := c.in.next()
	if bytes.HasPrefix(c.in.buf, []byte("HTTP/")) {
		return mqtt.Connack{}, errHTTP
	}
	if err != nil {
		return mqtt.Connack{}, &noAnswerError{noTimeout(err)}
	}
	if f.Type != mqtt.CONNACK {
		return mqtt.Connack{}, fmt.Errorf("%v where MQTT answers with CONNACK", f.Type)
	}
	// A server that does not know MQTT 5 may answer in the form of 3.1.1 (5: 3.1.2.2).
	level := c.level
	if len(f.Body) == 2 {
		level = mqtt.Level311
	}
	ack, err := mqtt.ParseConnack(f, level)
	if err != nil {
		return ack, err
	}
	if ack.Reason != mqtt.Success {
		c.b.mu.Lock()
		c.b.will.learn(ack.Reason)
		c.b.mu.Unlock()
		return ack, &refusedError{ack}
	}
	return ack, nil
}

// willLimits is what the upstream said it cannot do for our will. MQTT 5 has no other
// way to tell than to refuse the connection (3.2.2.2).
type willLimits struct{ noRetain, noQoS bool }

func (w *willLimits) learn(r mqtt.Reason) {
	switch r {
	case mqtt.RetainNotSupported:
		w.noRetain = true
	case mqtt.QoSNotSupported:
		w.noQoS = true
	}
}

var errHTTP = errors.New("answers with HTTP, not MQTT (a captive portal, or the wrong port?)")

// refusedError is a CONNACK that says no.
type refusedError struct{ ack mqtt.Connack }

func (e *refusedError) Error() string {
	text := "refused: " + e.ack.Reason.String()
	if e.ack.ReasonString != "" {
		text += " (" + e.ack.ReasonString + ")"
	}
	switch e.ack.Reason {
	case mqtt.BadUserNameOrPassword, mqtt.NotAuthorized:
		text += " (user, password and client id right?)"
	case mqtt.UnsupportedVersion:
		text += ` (try the other protocol: "3.1.1" or "5")`
	case mqtt.ClientIDNotValid:
		text += " (the upstream has rules for client ids)"
	}
	return text
}

// accept takes over what the upstream said about itself.
func (c *connection) accept(ack mqtt.Connack) {
	c.kept = ack.SessionPresent
	c.window, c.maxPacket = windowMax, mqtt.MaxRemaining
	c.maxQoS, c.mayRetain = c.b.qosLimit(c.url), true
	if n := int(ack.ReceiveMaximum); n != 0 {
		c.window = min(c.window, n)
	}
	if c.level == mqtt.Level311 && c.maxQoS == 2 && c.b.rules.exactOut() {
		c.window = windowExact
	}
	if n := ack.MaximumPacket; n != 0 {
		c.maxPacket = int(min(n, mqtt.MaxRemaining))
	}
	if ack.HasMaximumQoS {
		c.maxQoS = min(c.maxQoS, ack.MaximumQoS)
	}
	if ack.NoRetain {
		c.mayRetain = false
		c.b.warn(24*time.Hour, "retain", "the upstream retains nothing; messages and status are sent without the retain flag")
	}
	c.keepAlive = c.b.opt.KeepAlive
	if ack.HasKeepAlive { // [MQTT-3.1.2-21, v5]
		c.keepAlive = time.Duration(ack.ServerKeepAlive) * time.Second
	}
	c.heard = time.Now()
}

// noTimeout puts "silence" where the net package says "i/o timeout".
func noTimeout(err error) error {
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		return errSilence
	}
	return err
}

// noQoS2 are services known to close the connection at a QoS 2 message. MQTT 5 can say
// so in its CONNACK, 3.1.1 cannot.
var noQoS2 = []string{".amazonaws.com", ".azure-devices.net"}

func (b *Bridge) qosLimit(u *url.URL) byte {
	for _, suffix := range noQoS2 {
		if strings.HasSuffix(u.Hostname(), suffix) {
			return 1
		}
	}
	if b.exactly.refused() {
		return 1
	}
	return 2
}

// exactTrial notices that an upstream closes the connection at QoS 2 messages, which is
// all that MQTT 3.1.1 lets it say.
type exactTrial struct{ closed int }

// exactTrials is how many connections must end at a QoS 2 message before we stop sending
// any: a single one may have broken for any reason.
const exactTrials = 3

func (t *exactTrial) ended(c *connection, err error) {
	switch {
	case c.received2:
		t.closed = 0
	case c.sent2 && errors.Is(err, errClosed):
		t.closed++
	}
}

func (t *exactTrial) refused() bool { return t.closed >= exactTrials }
