package attack

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"sensorgate/internal/mqtt"
)

// client is just as much of one as attackers and the honest one need.
type client struct {
	nc    net.Conn
	r     *bufio.Reader
	level byte
}

func dial(addr string) (*client, error) { return dialFrom(nil, addr) }

// dialFrom is dial from an address of this machine; nil for any.
func dialFrom(from net.IP, addr string) (*client, error) {
	d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: from}}
	nc, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return newClient(nc), nil
}

func newClient(nc net.Conn) *client { return &client{nc: nc, r: bufio.NewReaderSize(nc, 4<<10)} }

// connect opens a connection and sends CONNECT; the reason is what CONNACK says.
func connect(addr string, c *mqtt.Connect) (*client, mqtt.Reason, error) {
	cl, err := dial(addr)
	if err != nil {
		return nil, 0, err
	}
	reason, err := cl.handshake(c)
	return cl, reason, err
}

func (cl *client) handshake(c *mqtt.Connect) (mqtt.Reason, error) {
	cl.level = c.Level
	if err := cl.write(mqtt.AppendConnect(nil, c)); err != nil {
		cl.close()
		return 0, err
	}
	f, err := cl.frame()
	if err != nil {
		cl.close()
		return 0, err
	}
	ack, err := mqtt.ParseConnack(f, c.Level)
	if err != nil || ack.Reason != mqtt.Success {
		cl.close()
	}
	return ack.Reason, err
}

// write gives up after a while: a gateway that reads no more is no reason to hang.
func (cl *client) write(b []byte) error {
	_ = cl.nc.SetWriteDeadline(time.Now().Add(5 * time.Second)) // a fault shows at the Write
	_, err := cl.nc.Write(b)
	return err
}

// frame reads the next packet.
func (cl *client) frame() (mqtt.Frame, error) {
	_ = cl.nc.SetReadDeadline(time.Now().Add(10 * time.Second)) // a fault shows at the Read
	var b []byte
	for {
		c, err := cl.r.ReadByte()
		if err != nil {
			return mqtt.Frame{}, err
		}
		b = append(b, c)
		f, need, err := mqtt.NextFrame(b, mqtt.MaxRemaining)
		if err != nil || f.Raw != nil {
			return f, err
		}
		if need > 0 {
			have := len(b)
			b = append(b, make([]byte, need-have)...)
			if _, err := io.ReadFull(cl.r, b[have:]); err != nil {
				return mqtt.Frame{}, err
			}
			f, _, err := mqtt.NextFrame(b, mqtt.MaxRemaining)
			return f, err
		}
	}
}

func (cl *client) subscribe(id uint16, filters ...mqtt.Subscription) error {
	return cl.write(mqtt.AppendSubscribe(nil, cl.level, mqtt.Subscribe{ID: id, Filters: filters}))
}

// await reads until a packet of the type comes, and reports whether one did.
func (cl *client) await(typ mqtt.Type) bool {
	for {
		f, err := cl.frame()
		if err != nil {
			return false
		}
		if f.Type == typ {
			return true
		}
	}
}

// subscribed is subscribe that waits for the answer.
func (cl *client) subscribed(filters ...mqtt.Subscription) bool {
	return cl.subscribe(1, filters...) == nil && cl.await(mqtt.SUBACK)
}

func (cl *client) publish(topic string, payload []byte, qos byte, retain bool, id uint16) error {
	return cl.write(mqtt.AppendPublish(nil, cl.level, mqtt.PublishFlags(qos, false, retain), topic, id, nil, payload))
}

// drain reads and forgets all that comes.
func (cl *client) drain() { _, _ = io.Copy(io.Discard, cl.nc) }

func (cl *client) close() { _ = cl.nc.Close() }

// honest is the client that must not notice: it sends itself a message every 50 ms.
type honest struct {
	mu    sync.Mutex
	took  []time.Duration
	fault error
}

// run measures until ctx ends.
func (h *honest) run(ctx context.Context, addr string) {
	if err := h.measure(ctx, addr); err != nil && ctx.Err() == nil {
		h.mu.Lock()
		h.fault = err
		h.mu.Unlock()
	}
}

func (h *honest) measure(ctx context.Context, addr string) error {
	cl, reason, err := connect(addr, &mqtt.Connect{Level: mqtt.Level311, ClientID: "honest", CleanStart: true, KeepAlive: 60})
	if err != nil || reason != mqtt.Success {
		return fmt.Errorf("connect: %v %v", reason, err)
	}
	defer cl.close()
	if err := cl.subscribe(1, mqtt.Subscription{Filter: "honest/echo", QoS: 0}); err != nil {
		return err
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		begin := time.Now()
		if err := cl.publish("honest/echo", []byte("x"), 0, false, 0); err != nil {
			return err
		}
		for {
			f, err := cl.frame()
			if err != nil {
				return err
			}
			if f.Type == mqtt.PUBLISH {
				break
			}
		}
		h.mu.Lock()
		h.took = append(h.took, time.Since(begin))
		h.mu.Unlock()
	}
}

// The one user that the gateway knows; all others are anonymous.
const honestUser, honestPassword = "bob", "right"

// logIn connects with the right password twice a second until ctx ends.
func (h *honest) logIn(ctx context.Context, addr string) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		begin := time.Now()
		cl, reason, err := connect(addr, &mqtt.Connect{Level: mqtt.Level311, ClientID: fmt.Sprint("bob", i), CleanStart: true,
			HasUsername: true, Username: honestUser, HasPassword: true, Password: []byte(honestPassword)})
		h.mu.Lock()
		if err != nil || reason != mqtt.Success {
			h.fault = fmt.Errorf("the right password: %v %w after %v", reason, err, time.Since(begin))
		}
		h.took = append(h.took, time.Since(begin))
		h.mu.Unlock()
		if err == nil && reason == mqtt.Success {
			cl.close()
		}
	}
}

func (h *honest) result() (p99, worst time.Duration, n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.took) == 0 {
		return 0, 0, 0, h.fault
	}
	sorted := slices.Sorted(slices.Values(h.took))
	return sorted[len(sorted)*99/100], sorted[len(sorted)-1], len(sorted), h.fault
}
