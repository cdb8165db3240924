package bench

import (
	"context"
	"fmt"
	"net"
	"time"

	"sensorgate/internal/mqtt"
)

// client is one raw connection.
type client struct {
	nc   net.Conn
	in   []byte // read and not yet handled: in[from:]
	from int
	out  []byte
}

func dial(ctx context.Context, addr, id string) (*client, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &client{nc: nc, in: make([]byte, 0, 64<<10)}
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	c.out = mqtt.AppendConnect(c.out, &mqtt.Connect{Level: mqtt.Level311, ClientID: id, CleanStart: true})
	f, err := c.ask(mqtt.CONNACK)
	if err == nil {
		var ack mqtt.Connack
		if ack, err = mqtt.ParseConnack(f, mqtt.Level311); err == nil && ack.Reason != mqtt.Success {
			err = fmt.Errorf("refused: %v", ack.Reason)
		}
	}
	if err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return c, nil
}

func (c *client) subscribe(filter string, qos byte) error {
	c.out = mqtt.AppendSubscribe(c.out, mqtt.Level311, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: filter, QoS: qos}}})
	f, err := c.ask(mqtt.SUBACK)
	if err != nil {
		return err
	}
	_, codes, err := mqtt.ParseSuback(f, mqtt.Level311)
	if err == nil && (len(codes) != 1 || codes[0] != mqtt.Reason(qos)) {
		err = fmt.Errorf("subscribe %s: answered %v", filter, codes)
	}
	return err
}

// ask writes what is in out and waits for a packet of the type.
func (c *client) ask(want mqtt.Type) (mqtt.Frame, error) {
	if err := c.flush(); err != nil {
		return mqtt.Frame{}, err
	}
	for {
		f, err := c.frame()
		if err != nil || f.Raw != nil {
			if err == nil && f.Type != want {
				err = fmt.Errorf("got %v, want %v", f.Type, want)
			}
			return f, err
		}
		if err := c.read(); err != nil {
			return f, err
		}
	}
}

func (c *client) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.nc.Write(c.out)
	c.out = c.out[:0]
	return err
}

// frame takes the next packet that was read; its Raw is nil if there is none.
func (c *client) frame() (mqtt.Frame, error) {
	f, _, err := mqtt.NextFrame(c.in[c.from:], mqtt.MaxRemaining)
	c.from += len(f.Raw)
	return f, err
}

// read reads more; frames taken before are not valid any more.
func (c *client) read() error {
	n := copy(c.in[:cap(c.in)], c.in[c.from:])
	c.from = 0
	if n == cap(c.in) {
		return fmt.Errorf("packet larger than %d bytes", n)
	}
	m, err := c.nc.Read(c.in[n:cap(c.in)])
	c.in = c.in[:n+m]
	if m > 0 {
		return nil
	}
	return err
}
