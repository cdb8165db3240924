package broker

import (
	"bytes"
	"container/list"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"time"

	"sensorgate/broker/permissions"
	"sensorgate/internal/mqtt"
)

// startLocked accepts on a listener until it is closed. The caller holds mu.
func (b *Broker) startLocked(l *listener) {
	b.serving.Add(1)
	go func() {
		defer b.serving.Done()
		if err := b.accept(l); err != nil {
			select {
			case b.failed <- err:
			default: // one is enough to end Run
			}
		}
	}()
}

// accept takes connections until the listener is closed.
func (b *Broker) accept(l *listener) error {
	if l.Network == "ws" || l.Network == "wss" {
		return b.acceptWeb(l)
	}
	pause := 5 * time.Millisecond
	socket := l.socket()
	for {
		nc, err := socket.Accept()
		switch {
		case err == nil:
			pause = 5 * time.Millisecond
			b.count.connections.Add(1)
			b.begin(nc, l)
		case errors.Is(err, net.ErrClosed):
			return nil
		default:
			// Out of file descriptors, as a rule: the others go on, and so do we.
			b.log.Warn("accepting a connection", "listener", l.String(), "err", err)
			select {
			case <-time.After(pause):
			case <-b.quit:
				return nil
			}
			pause = min(2*pause, time.Second)
		}
	}
}

// begin serves nc on a goroutine of its own, unless the broker is closing.
func (b *Broker) begin(nc net.Conn, l *listener) {
	b.mu.Lock()
	closing := b.closing
	if !closing {
		b.serving.Add(1)
	}
	b.mu.Unlock()
	if closing {
		_ = nc.Close()
		return
	}
	go func() {
		defer b.serving.Done()
		b.serve(nc, l)
	}()
}

// serve carries one connection from its first byte to its end, or until an event loop
// has it: CONNECT is read, checked and answered, then the connection is served.
func (b *Broker) serve(nc net.Conn, l *listener) {
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	_ = nc.SetDeadline(time.Now().Add(connectTimeout)) // a fault shows at the Read
	from := remote(nc)
	nc, first, err := b.firstPacket(ctx, nc, l)
	if err != nil {
		b.count.refuse(endReason(err))
		b.refuseConnect(nc, first.connect, err)
		return
	}
	c, who, reason := b.admit(ctx, l, from, &first)
	if reason != mqtt.Success {
		b.count.refuse(reason)
		b.answer(nc, first.connect.Level, maxPacketOf(first.connect), reason)
		b.hangUp(nc)
		return
	}
	_ = nc.SetDeadline(time.Time{})
	b.serveAdmitted(nc, c, who, &first)
}

// firstPacket is what a connection began with.
type firstPacket struct {
	connect     *mqtt.Connect     // what is known of it, also with an error
	rest        []byte            // what came behind it
	certificate *x509.Certificate // of the client, verified; nil for none
}

// firstPacket reads the CONNECT, as one of the waiting logins: that may take long.
func (b *Broker) firstPacket(ctx context.Context, nc net.Conn, l *listener) (net.Conn, firstPacket, error) {
	waiting := b.waiting.add(nc, loginFee(l))
	defer b.waiting.remove(waiting)
	var first firstPacket
	nc, certificate, err := l.handshake(ctx, nc)
	if err != nil {
		return nc, first, err
	}
	first.certificate = certificate
	first.connect, first.rest, err = b.readConnect(nc, waiting)
	return nc, first, err
}

// admit decides whether the client may come in, and counts it in then.
func (b *Broker) admit(ctx context.Context, l *listener, from string, first *firstPacket) (*conn, *permissions.Identity, mqtt.Reason) {
	connect := first.connect
	c, reason := b.newConn(l, from, connect)
	if reason != mqtt.Success {
		return nil, nil, reason
	}
	who, reason := b.authenticateLong(ctx, c, connect, first.certificate)
	if reason != mqtt.Success {
		if more, due := b.refusals.due(time.Now()); due {
			b.log.Warn("login refused", "remote", from, "client", connect.ClientID, "user", connect.Username, "reason", reason.String(), "more", more)
		}
		return nil, nil, reason
	}
	return c, who, b.enter(c, connect, who)
}

// serveAdmitted has an event loop serve the connection, if one can: it needs a plain
// socket. Others are served here.
func (b *Broker) serveAdmitted(nc net.Conn, c *conn, who *permissions.Identity, first *firstPacket) {
	s, err := b.takeSocket(nc)
	switch {
	case err != nil:
		b.log.Warn("taking over a connection", "remote", c.remote, "err", err)
		b.leave(c)
		_ = nc.Close()
	case s == nil:
		b.serveStream(nc, c, who, first.connect, first.rest)
	default:
		b.serveSocket(s, c, who, first.connect, first.rest)
	}
}

// handshake does what TLS asks for.
func (l *listener) handshake(ctx context.Context, nc net.Conn) (net.Conn, *x509.Certificate, error) {
	if l.Network == "tls" {
		nc = tls.Server(nc, l.server())
	}
	secure, ok := nc.(*tls.Conn)
	if web, isWeb := nc.(*webConn); isWeb {
		secure, ok = web.NetConn().(*tls.Conn)
	}
	if !ok {
		return nc, nil, nil
	}
	if err := secure.HandshakeContext(ctx); err != nil {
		return nc, nil, err
	}
	if peers := secure.ConnectionState().PeerCertificates; len(peers) > 0 {
		return nc, peers[0], nil
	}
	return nc, nil, nil
}

// maxLingering is how many connections that were refused stay open at a time until their peers
// have read why.
const maxLingering = 256

// hangUp closes a connection so that the peer can read what it was sent last: closing
// with unread input would throw that away. A flood of those who do not close gets no such second.
func (b *Broker) hangUp(nc net.Conn) {
	defer b.lingering.Add(-1)
	if b.lingering.Add(1) > maxLingering {
		_ = nc.Close()
		return
	}
	if half, ok := nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_ = nc.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = io.CopyN(io.Discard, nc, 256<<10) // until it has closed too, or a while
	}
	_ = nc.Close()
}

func (b *Broker) serveStream(nc net.Conn, c *conn, who *permissions.Identity, connect *mqtt.Connect, rest []byte) {
	s := newStream(nc, c)
	if !b.attach(c, s, who, connect) {
		_ = nc.Close()
		return
	}
	s.run(rest)
}

func (b *Broker) serveSocket(s *socket, c *conn, who *permissions.Identity, connect *mqtt.Connect, rest []byte) {
	s.c = c
	b.serving.Add(1) // until the loop closes it
	if !b.attach(c, s, who, connect) {
		_ = s.loop.sys.CloseSocket(s.fd)
		b.serving.Done()
		return
	}
	s.begin(rest)
}

// readConnect reads the first packet, which must be a CONNECT [MQTT-3.1.0-1]. rest is
// what came behind it. With an error it returns what is known of the CONNECT.
func (b *Broker) readConnect(nc net.Conn, place *list.Element) (c *mqtt.Connect, rest []byte, err error) {
	buf := make([]byte, 0, 512)
	for {
		n, err := nc.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if len(buf) > 0 && mqtt.Type(buf[0]>>4) != mqtt.CONNECT {
			return nil, nil, errNoConnect
		}
		f, need, ferr := mqtt.NextFrame(buf, maxConnectPacket)
		if ferr != nil {
			return nil, nil, ferr
		}
		if f.Raw != nil {
			// Thousands of long ones must not take the processors from those who are in.
			b.parsing <- struct{}{}
			c, err := mqtt.ParseConnect(f)
			<-b.parsing
			return c, bytes.Clone(buf[need:]), err // not the buffer, which may be a long one
		}
		if err != nil {
			return nil, nil, err
		}
		if len(buf) == cap(buf) {
			// Twice as much for what has come, not for what was announced.
			if !b.waiting.grow(place, int64(cap(buf))) {
				return nil, nil, errLoginMemory
			}
			buf = append(make([]byte, 0, 2*cap(buf)), buf...)
		}
	}
}

var errLoginMemory = errors.New("no memory left for a CONNECT that long")

var errNoConnect = mqtt.NewError(mqtt.ProtocolError, "first packet is not CONNECT")

// endReason is the reason of a connection that ended before there was a CONNECT.
func endReason(err error) mqtt.Reason {
	var fault *mqtt.Error
	switch {
	case errors.As(err, &fault):
		return fault.Reason
	case errors.Is(err, errLoginMemory):
		return mqtt.QuotaExceeded
	}
	return mqtt.Unspecified // it hung up, or was silent
}

// refuseConnect closes a connection whose CONNECT was not readable, with an answer if the
// client's protocol level is known and has one.
func (b *Broker) refuseConnect(nc net.Conn, c *mqtt.Connect, err error) {
	defer b.hangUp(nc)
	var fault *mqtt.Error
	if !errors.As(err, &fault) {
		b.log.Debug("connection ended before CONNECT", "remote", remote(nc), "err", err)
		return
	}
	b.count.malformed.Add(1)
	b.log.Debug("CONNECT refused", "remote", remote(nc), "err", err)
	switch {
	case c == nil:
	case c.Level > mqtt.Level311: // an unknown level is answered as 5 would be (3.1.2.2, v5)
		b.answer(nc, mqtt.Level5, maxPacketOf(c), fault.Reason)
	case fault == mqtt.ErrVersion: // [MQTT-3.1.2-2]
		b.answer(nc, mqtt.Level311, maxPacketOf(c), fault.Reason)
	}
}

// answer writes a CONNACK to a connection that has no session, if the client takes
// packets of its size.
func (b *Broker) answer(nc net.Conn, level byte, limit int, reason mqtt.Reason) {
	packet := mqtt.AppendConnack(nil, level, &mqtt.Connack{Reason: reason})
	if len(packet) > limit {
		return
	}
	_ = nc.SetWriteDeadline(time.Now().Add(time.Second)) // it is closed anyway
	if _, err := nc.Write(packet); err != nil && !errors.Is(err, io.EOF) {
		b.log.Debug("CONNACK not written", "remote", remote(nc), "err", err)
	}
}

func remote(nc net.Conn) string {
	if a := nc.RemoteAddr(); a != nil && a.String() != "" {
		return a.String()
	}
	return "local"
}
