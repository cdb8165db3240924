package mqtttools

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	paho5 "github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session/state"

	"sensorgate/internal/mqtt"
)

// connection5 is a connection of MQTT 5. With again it outlives a lost line.
type connection5 struct {
	c *client
	e events

	handing handing

	mu     sync.Mutex
	now    *paho5.Client
	closed bool
}

// session is the library's. It acknowledges what was taken, and says when.
type session struct {
	*state.State
	handing handing
	taken   bool // the message that is being handed over
}

// Ack is called right after a message was handed over.
func (s *session) Ack(p *packets.Publish) error {
	defer s.handing.end()
	if !s.taken {
		return nil
	}
	return s.State.Ack(p)
}

// open5 connects with MQTT 5.
func (c *client) open5(ctx context.Context, e events) (connection, error) {
	n := &connection5{c: c, e: e, handing: make(handing, 1)}
	if err := n.connect(ctx); err != nil {
		return nil, c.connectError(err)
	}
	c.debugf("connected to %s with MQTT 5", withoutPassword(c.address()))
	if e.again {
		go n.keep(ctx)
	}
	return n, nil
}

// connect opens a line and sends CONNECT on it.
func (n *connection5) connect(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	nc, err := n.c.dial(within)
	if err != nil {
		return err
	}
	if extra := n.c.willExtra(); len(extra) > 0 {
		nc = &willConn{Conn: nc, extra: extra}
	}
	kept := &session{State: state.NewInMemory(), handing: n.handing}
	config := paho5.ClientConfig{Conn: packets.NewThreadSafeConn(nc), PacketTimeout: connectTimeout, Session: kept} // it writes from several goroutines
	config.OnPublishReceived = []func(paho5.PublishReceived) (bool, error){func(p paho5.PublishReceived) (bool, error) {
		n.handing.begin()
		kept.taken = n.e.message == nil || n.e.message(received5(p.Packet))
		return true, nil
	}}
	config.OnServerDisconnect = func(d *paho5.Disconnect) {
		n.c.debugf("the broker disconnects: %v", mqtt.Reason(d.ReasonCode))
	}
	config.OnClientError = func(err error) { n.c.debugf("connection lost: %v", err) }
	pc := paho5.NewClient(config)
	ack, err := pc.Connect(within, n.c.connect5())
	if err != nil {
		if ack != nil && ack.ReasonCode >= 0x80 {
			return refused5(ack)
		}
		return err
	}
	go func() { // whoever waits for an acknowledgement is let go with the line
		<-pc.Done()
		kept.Close()
	}()
	n.mu.Lock()
	n.now = pc
	n.mu.Unlock()
	if n.e.up != nil {
		go n.e.up(n)
	}
	return nil
}

// refused5 is why the broker refuses a login, by its code and its own words.
func refused5(ack *paho5.Connack) error {
	reason := mqtt.Reason(ack.ReasonCode)
	switch {
	case reason == mqtt.NotAuthorized || reason == mqtt.BadUserNameOrPassword:
		return errNotLetIn
	case ack.Properties != nil && ack.Properties.ReasonString != "":
		return fmt.Errorf("refused: %v: %s", reason, ack.Properties.ReasonString)
	}
	return fmt.Errorf("refused: %v", reason)
}

// keep connects again when the line is lost, with pauses that grow to ten seconds.
func (n *connection5) keep(ctx context.Context) {
	pause := time.Second
	for {
		pc, closed := n.client()
		if closed {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-pc.Done():
		}
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			if _, closed := n.client(); closed {
				return
			}
			if err := n.connect(ctx); err == nil {
				pause = time.Second
				break
			} else {
				n.c.debugf("%v", err)
			}
			pause = min(2*pause, 10*time.Second)
		}
	}
}

func (n *connection5) client() (pc *paho5.Client, closed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.now, n.closed
}

// publish waits for the acknowledgement itself: the library does not report it later.
func (n *connection5) publish(ctx context.Context, m *message) (func(context.Context) error, error) {
	pc, _ := n.client()
	p := &paho5.Publish{QoS: m.qos, Retain: m.retain, Topic: m.topic, Payload: m.payload, Properties: published5(m.props)}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { // the library waits on for an acknowledgement when the line is gone
		select {
		case <-pc.Done():
			cancel(errClosed)
		case <-ctx.Done():
		}
	}()
	_, err := pc.Publish(ctx, p)
	if cause := context.Cause(ctx); errors.Is(cause, errClosed) {
		err = cause
	}
	return func(context.Context) error { return err }, nil
}

func (n *connection5) subscribe(ctx context.Context, filters []string, o subscription) ([]byte, error) {
	pc, _ := n.client()
	s := &paho5.Subscribe{Properties: &paho5.SubscribeProperties{User: n.c.properties.user5(atSubscribe), SubscriptionIdentifier: n.c.properties.subscriptionID}}
	for _, f := range filters {
		s.Subscriptions = append(s.Subscriptions, paho5.SubscribeOptions{Topic: f, QoS: o.qos, RetainHandling: o.retainHandling, RetainAsPublished: o.retainAsPublished})
	}
	ack, err := pc.Subscribe(ctx, s)
	if ack != nil && len(ack.Reasons) == len(filters) {
		return ack.Reasons, nil // a refused filter is an error of the library's
	}
	return nil, err
}

func (n *connection5) unsubscribe(ctx context.Context, filters []string) error {
	pc, _ := n.client()
	_, err := pc.Unsubscribe(ctx, &paho5.Unsubscribe{Topics: filters, Properties: &paho5.UnsubscribeProperties{User: n.c.properties.user5(atUnsubscribe)}})
	return err
}

func (n *connection5) disconnect() {
	n.handing.wait()
	n.mu.Lock()
	n.closed = true
	pc := n.now
	n.mu.Unlock()
	d := &paho5.Disconnect{Properties: &paho5.DisconnectProperties{User: n.c.properties.user5(atDisconnect), SessionExpiryInterval: n.c.properties.disconnectExpiry}}
	if err := pc.Disconnect(d); err != nil {
		n.c.debugf("disconnect: %v", err)
	}
}

// connect5 is our CONNECT.
func (c *client) connect5() *paho5.Connect {
	p := c.properties.connect
	p.User = c.properties.user5(atConnect)
	p.SessionExpiryInterval = c.sessionExpiry()
	if p.ReceiveMaximum == nil {
		// The library has a queue of so many messages for us, 65,535 of them unless we say it.
		most := uint16(min(max(c.inflight, 1), math.MaxUint16))
		p.ReceiveMaximum = &most
	}
	o := &paho5.Connect{
		ClientID: c.clientID(), KeepAlive: uint16(c.keepAlive), CleanStart: !c.keepSession, Properties: &p,
		Username: c.user, UsernameFlag: c.user != "", Password: []byte(c.password), PasswordFlag: c.password != "",
	}
	if c.willTopic != "" {
		o.WillMessage = &paho5.WillMessage{Topic: c.willTopic, Payload: []byte(c.willText), QoS: byte(c.willQoS), Retain: c.willRetain}
		w := c.properties.will
		o.WillProperties = &paho5.WillProperties{
			WillDelayInterval: c.properties.willDelay, PayloadFormat: w.format, MessageExpiry: w.expiry, ContentType: w.contentType,
			ResponseTopic: w.responseTopic, CorrelationData: w.correlation, User: c.properties.user5(atWill),
		}
	}
	return o
}

func published5(p *properties) *paho5.PublishProperties {
	if p == nil {
		return nil
	}
	out := &paho5.PublishProperties{
		PayloadFormat: p.format, MessageExpiry: p.expiry, ContentType: p.contentType, ResponseTopic: p.responseTopic,
		CorrelationData: p.correlation, TopicAlias: p.alias,
	}
	for _, u := range p.user {
		out.User.Add(u.key, u.value)
	}
	return out
}

// received5 is a message as the library for MQTT 5 hands it over.
func received5(p *paho5.Publish) message {
	m := message{topic: p.Topic, payload: p.Payload, qos: p.QoS, retain: p.Retain, id: p.PacketID, props: &properties{}}
	if q := p.Properties; q != nil {
		m.props = &properties{
			format: q.PayloadFormat, expiry: q.MessageExpiry, contentType: q.ContentType, responseTopic: q.ResponseTopic,
			correlation: q.CorrelationData, subscriptionID: q.SubscriptionIdentifier, alias: q.TopicAlias,
		}
		for _, u := range q.User {
			m.props.user = append(m.props.user, pair{u.Key, u.Value})
		}
	}
	return m
}
