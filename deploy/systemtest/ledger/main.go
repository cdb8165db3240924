// Command ledger is the witness of the system tests: it publishes numbers with QoS 1
// and prints which were acknowledged, so that afterwards somebody can ask whether all
// of those are still there.
//
//	ledger park    ADDRESS SESSION          makes a persistent session that wants the numbers
//	ledger publish ADDRESS OUT              publishes until killed; writes each acknowledged number to OUT
//	ledger fetch   ADDRESS SESSION LAST     prints the numbers that wait in the session, up to LAST
//	ledger retain  ADDRESS TEXT             publishes a retained message on ledger/kept
//	ledger watch   ADDRESS FILTER           prints topic and payload of what comes, until killed
package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"sensorgate/internal/mqtt"
)

const (
	topic     = "ledger/numbers"
	window    = 20              // publications on the way at one time
	waitLimit = 3 * time.Minute // of an emulated machine that is busy with other things
)

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "ledger: park, publish, fetch, retain or watch; ADDRESS; SESSION, OUT, TEXT or FILTER; LAST")
		os.Exit(2)
	}
	verbs := map[string]func(addr, arg string) error{"park": park, "publish": publish, "fetch": fetch, "retain": retain, "watch": watch}
	verb := verbs[os.Args[1]]
	if verb == nil {
		fmt.Fprintln(os.Stderr, "ledger: unknown verb", os.Args[1])
		os.Exit(2)
	}
	if err := verb(os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "ledger:", err)
		os.Exit(1)
	}
}

func park(addr, session string) error {
	c, err := dial(addr, session, false)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.subscribe(topic); err != nil {
		return err
	}
	if f, err := c.next(); err != nil || f.Type != mqtt.SUBACK {
		return fmt.Errorf("expected SUBACK, got %v, %w", f.Type, err)
	}
	return c.send(mqtt.AppendDisconnect(nil, mqtt.Level311, 0, ""))
}

func retain(addr, text string) error {
	c, err := dial(addr, "retain", true)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.send(mqtt.AppendPublish(nil, mqtt.Level311, mqtt.PublishFlags(1, false, true), "ledger/kept", 1, nil, []byte(text))); err != nil {
		return err
	}
	if f, err := c.next(); err != nil || f.Type != mqtt.PUBACK {
		return fmt.Errorf("expected PUBACK, got %v, %w", f.Type, err)
	}
	return nil
}

// publish goes on over lost connections, as a sensor would: what was not
// acknowledged is sent again under its old number.
func publish(addr, out string) error {
	acked, err := os.OpenFile(out, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer acked.Close()
	for first := 1; ; {
		c, err := dial(addr, "ledger", true)
		if err == nil {
			first, err = c.publishFrom(first, acked)
			c.Close()
		}
		fmt.Fprintln(os.Stderr, "ledger:", err)
		time.Sleep(100 * time.Millisecond)
	}
}

// publishFrom publishes first, first+1, … and returns the first number that was not
// acknowledged when the connection broke.
func (c *conn) publishFrom(first int, acked *os.File) (int, error) {
	next := first
	for {
		for ; next < first+window; next++ {
			payload := strconv.AppendInt(nil, int64(next), 10)
			id := uint16(next%60000 + 1)
			pkt := mqtt.AppendPublish(nil, mqtt.Level311, mqtt.PublishFlags(1, false, false), topic, id, nil, payload)
			if err := c.send(pkt); err != nil {
				return first, err
			}
		}
		f, err := c.next()
		if err != nil {
			return first, err
		}
		ack, err := mqtt.ParseAck(f, mqtt.Level311)
		if err != nil || f.Type != mqtt.PUBACK {
			return first, fmt.Errorf("expected PUBACK, got %v, %w", f.Type, err)
		}
		if want := uint16(first%60000 + 1); ack.ID != want {
			return first, fmt.Errorf("acknowledged %d, expected %d: [MQTT-4.6.0-2]", ack.ID, want)
		}
		// Only now: what is written here was vouched for.
		if _, err := fmt.Fprintf(acked, "%d\n", first); err != nil {
			return first, err
		}
		first++
	}
}

// fetch ends when the last number has come, or nothing comes any more.
func fetch(addr, session string) error {
	last, err := strconv.Atoi(os.Args[len(os.Args)-1])
	if err != nil {
		return fmt.Errorf("the last number: %w", err)
	}
	c, err := dial(addr, session, false)
	if err != nil {
		return err
	}
	defer c.Close()
	for last > 0 {
		if err := c.SetReadDeadline(time.Now().Add(waitLimit)); err != nil {
			return err
		}
		p, err := c.published()
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			break
		}
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", p.Payload)
		if n, err := strconv.Atoi(string(p.Payload)); err != nil || n >= last {
			break
		}
	}
	return c.send(mqtt.AppendDisconnect(nil, mqtt.Level311, 0, ""))
}

func watch(addr, filter string) error {
	c, err := dial(addr, fmt.Sprintf("watch-%d", os.Getpid()), true)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.subscribe(filter); err != nil {
		return err
	}
	for {
		p, err := c.published()
		if err != nil {
			return err
		}
		fmt.Printf("%s %s\n", p.Topic, p.Payload)
	}
}

// conn is a connection of MQTT 3.1.1 as far as it is needed here.
type conn struct {
	net.Conn
	buf  []byte
	used int // of buf, by the packet that next gave last
}

func dial(addr, client string, clean bool) (*conn, error) {
	nc, err := net.DialTimeout("tcp", addr, waitLimit)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: nc}
	if err := c.send(mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level311, CleanStart: clean, ClientID: client})); err != nil {
		nc.Close()
		return nil, err
	}
	f, err := c.next()
	if err == nil && f.Type == mqtt.CONNACK {
		var ack mqtt.Connack
		if ack, err = mqtt.ParseConnack(f, mqtt.Level311); err == nil && ack.Reason == 0 {
			return c, nil
		}
	}
	nc.Close()
	return nil, fmt.Errorf("not let in: %v, %w", f.Type, err)
}

func (c *conn) subscribe(filter string) error {
	sub := mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: filter, QoS: 1}}}
	return c.send(mqtt.AppendSubscribe(nil, mqtt.Level311, sub))
}

// published waits for the next PUBLISH and acknowledges it.
func (c *conn) published() (p mqtt.Publish, err error) {
	for {
		f, err := c.next()
		if err != nil {
			return p, err
		}
		if f.Type != mqtt.PUBLISH {
			continue
		}
		if err := mqtt.ParsePublish(f, mqtt.Level311, &p); err != nil || p.QoS == 0 {
			return p, err
		}
		return p, c.send(mqtt.AppendAck(nil, mqtt.PUBACK, mqtt.Level311, p.ID, 0))
	}
}

func (c *conn) send(pkt []byte) error {
	_, err := c.Write(pkt)
	return err
}

// next returns the next packet; it is valid until the call after.
func (c *conn) next() (mqtt.Frame, error) {
	c.buf = append(c.buf[:0], c.buf[c.used:]...)
	c.used = 0
	for {
		f, size, err := mqtt.NextFrame(c.buf, 1<<20)
		if err != nil {
			return f, err
		}
		if f.Raw != nil {
			c.used = size
			return f, nil
		}
		var more [4096]byte
		n, err := c.Read(more[:])
		if err != nil {
			return f, err
		}
		c.buf = append(c.buf, more[:n]...)
	}
}
