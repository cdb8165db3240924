package powercut

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"

	"sensorgate/internal/mqtt"
)

const upstreamName = "cloud"

// goneTopic is where the upstream "gone" hears how many messages it will never get.
const goneTopic = "cut/status/gap"

// upstream is the broker that the gateway's bridge connects to. It keeps its session whatever happens to the gateway,
// and closes the connection now and then.
type upstream struct {
	c      client // its party, and how it publishes
	resets int    // how often it may still close a connection

	mu   sync.Mutex
	conn net.Conn
	lost uint64 // as the newest gap record has it, since ever
}

// serve accepts connections until ctx ends.
func (u *upstream) serve(ctx context.Context, l net.Listener) {
	context.AfterFunc(ctx, func() { _ = l.Close() })
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		context.AfterFunc(ctx, func() { _ = nc.Close() })
		u.mu.Lock()
		if u.conn != nil {
			_ = u.conn.Close()
		}
		u.conn = nc
		u.mu.Unlock()
		go u.connection(nc)
	}
}

func (u *upstream) connection(nc net.Conn) {
	defer nc.Close()
	rd := &frames{c: nc}
	for {
		f, err := rd.next()
		if err != nil {
			return
		}
		u.mu.Lock()
		if u.conn != nc {
			u.mu.Unlock()
			return
		}
		answer, err := u.handle(f)
		u.mu.Unlock()
		if err != nil {
			u.c.fault("%v", err)
			return
		}
		if u.c.rnd != nil && u.resets > 0 && f.Type != mqtt.CONNECT && u.c.rnd.IntN(150) == 0 {
			u.resets--
			if u.c.rnd.IntN(2) == 0 {
				_, _ = nc.Write(answer)
			}
			_ = nc.(*net.TCPConn).SetLinger(0) // an orderly end would look like a fight over the client id
			return
		}
		if _, err := nc.Write(answer); err != nil {
			return
		}
	}
}

// handle takes a packet of the bridge and returns what to answer.
func (u *upstream) handle(f mqtt.Frame) ([]byte, error) {
	led, p := u.c.led, u.c.p
	switch f.Type {
	case mqtt.CONNECT:
		c, err := mqtt.ParseConnect(f)
		if err != nil {
			return nil, err
		}
		led.mu.Lock()
		defer led.mu.Unlock()
		if c.CleanStart || c.Level != p.level {
			return nil, fmt.Errorf("the bridge connects with clean start %v and level %d", c.CleanStart, c.Level)
		}
		present := p.began != 0
		led.note(event{Who: p.name, Kind: connected})
		out := mqtt.AppendConnack(nil, p.level, &mqtt.Connack{SessionPresent: present})
		return append(out, p.again()...), nil
	case mqtt.SUBSCRIBE:
		s, err := mqtt.ParseSubscribe(f, p.level)
		if err != nil {
			return nil, err
		}
		codes := make([]mqtt.Reason, len(s.Filters))
		for i := range codes {
			codes[i] = mqtt.Reason(s.Filters[i].QoS)
		}
		led.mu.Lock()
		defer led.mu.Unlock()
		led.note(event{Who: p.name, Kind: subscribed})
		return append(mqtt.AppendSuback(nil, mqtt.SUBACK, p.level, s.ID, codes), u.c.begin()...), nil
	case mqtt.PINGREQ:
		return []byte{byte(mqtt.PINGRESP) << 4, 0}, nil
	case mqtt.PUBLISH:
		// Its status, and gaps of its spool.
		var m mqtt.Publish
		if err := mqtt.ParsePublish(f, p.level, &m); err != nil || !bytes.HasPrefix(m.Topic, []byte("led/")) {
			if string(m.Topic) == goneTopic && p.name == goneName {
				err = cmp.Or(err, u.gap(m.Payload))
			}
			if m.QoS == 1 {
				return mqtt.AppendAck(nil, mqtt.PUBACK, p.level, m.ID, mqtt.Success), err
			}
			return nil, cmp.Or(err, fmt.Errorf("%s came at QoS %d", m.Topic, m.QoS))
		}
	case mqtt.DISCONNECT:
		return nil, nil
	}
	return u.c.handle(f)
}

// gap takes a gap record; the caller holds u.mu.
func (u *upstream) gap(payload []byte) error {
	var record struct{ Total uint64 }
	if err := json.Unmarshal(payload, &record); err != nil {
		return err
	}
	u.c.led.mu.Lock()
	defer u.c.led.mu.Unlock()
	u.lost = max(u.lost, record.Total)
	u.c.led.wake()
	return nil
}
