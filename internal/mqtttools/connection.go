package mqtttools

import (
	"context"
	"errors"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// connection is one connection to the broker, whatever the protocol version.
type connection interface {
	// publish sends one message; wait returns when the broker has acknowledged it.
	publish(ctx context.Context, m *message) (wait func(context.Context) error, err error)
	// subscribe returns the reason code of each filter, in their order (3.9.3).
	subscribe(ctx context.Context, filters []string, o subscription) ([]byte, error)
	unsubscribe(ctx context.Context, filters []string) error
	disconnect()
}

// subscription is how to subscribe.
type subscription struct {
	qos               byte
	retainAsPublished bool // MQTT 5 only, like the next
	retainHandling    byte
}

// events are what a connection reports; nil fields are not asked for.
type events struct {
	message func(message) bool // called in order; while it blocks, nothing more is read. false: not taken, and not acknowledged
	up      func(connection)   // at every connect, also the first, on a goroutine of its own
	again   bool               // connect again by itself
}

// open connects and waits for the broker's answer.
func (c *client) open(ctx context.Context, e events) (connection, error) {
	if err := c.findBroker(ctx); err != nil {
		return nil, err
	}
	if err := c.checkWay(); err != nil {
		return nil, UsageError{err}
	}
	if c.is5() {
		return c.open5(ctx, e)
	}
	o, err := c.options()
	if err != nil {
		return nil, err
	}
	o.SetAutoReconnect(e.again).SetConnectionLostHandler(func(_ paho.Client, err error) { c.debugf("connection lost: %v", err) })
	h := make(handing, 1)
	if e.message != nil {
		o.SetAutoAckDisabled(true).SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) {
			h.begin()
			defer h.end()
			if e.message(received3(m)) {
				m.Ack()
			}
		})
	}
	if e.up != nil {
		// On a goroutine: subscribing waits for an answer, which must not wait for us.
		o.SetOnConnectHandler(func(pc paho.Client) { go e.up(connection3{pc, h}) })
	}
	pc := paho.NewClient(o)
	if err := await(ctx, pc.Connect()); err != nil {
		return nil, c.connectError(err)
	}
	c.debugf("connected to %s", withoutPassword(c.address()))
	return connection3{pc, h}, nil
}

// connection3 is a connection of MQTT 3.1 or 3.1.1.
type connection3 struct {
	pc      paho.Client
	handing handing
}

// handing has a value while a message is handed over that is not acknowledged yet.
type handing chan struct{}

func (h handing) begin() { h <- struct{}{} }
func (h handing) end()   { <-h }

// wait lets the message that is being handed over be acknowledged before the end of a connection:
// a session that is kept would get it again.
func (h handing) wait() {
	select {
	case h <- struct{}{}:
		<-h
	case <-time.After(time.Second):
	}
}

var errClosed = errors.New("the broker closed the connection")

func (c connection3) publish(_ context.Context, m *message) (func(context.Context) error, error) {
	t := c.pc.Publish(m.topic, m.qos, m.retain, m.payload)
	return func(ctx context.Context) error { return c.acknowledged(ctx, t) }, nil
}

// acknowledged waits for a token. paho leaves it open when the line drops, so the line is
// watched as well.
func (c connection3) acknowledged(ctx context.Context, t paho.Token) error {
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-t.Done():
			return t.Error()
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
			if !c.pc.IsConnectionOpen() {
				return errClosed
			}
		}
	}
}

func (c connection3) subscribe(ctx context.Context, filters []string, o subscription) ([]byte, error) {
	wanted := map[string]byte{}
	for _, f := range filters {
		wanted[f] = o.qos
	}
	t := c.pc.SubscribeMultiple(wanted, nil)
	if err := await(ctx, t); err != nil {
		return nil, err
	}
	reasons := make([]byte, len(filters))
	for i, f := range filters {
		reasons[i] = t.(*paho.SubscribeToken).Result()[f]
	}
	return reasons, nil
}

func (c connection3) unsubscribe(ctx context.Context, filters []string) error {
	return await(ctx, c.pc.Unsubscribe(filters...))
}

func (c connection3) disconnect() {
	c.handing.wait()
	c.pc.Disconnect(500)
}

// await waits for a token or the end of ctx.
func await(ctx context.Context, t paho.Token) error {
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return ctx.Err()
	}
}
