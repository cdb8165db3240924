package broker

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sensorgate/internal/mqtt"
)

// startMosquitto runs a mosquitto on a port of its own.
func startMosquitto(t *testing.T) (addr string) {
	t.Helper()
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/mosquitto"); err != nil {
			t.Skip("no mosquitto (Debian package mosquitto)")
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	_ = l.Close()
	_, port, _ := net.SplitHostPort(addr)
	conf := filepath.Join(t.TempDir(), "mosquitto.conf")
	if err := os.WriteFile(conf, []byte("listener "+port+" 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nlog_type none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-c", conf)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	waitFor(t, "mosquitto accepts", func() bool {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			_ = nc.Close()
		}
		return err == nil
	})
	return addr
}

func dialAddr(t testing.TB, addr string, level byte) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return newClient(t, nc, level)
}

// TestDifferential: the same random operations, seed after seed, have the same outcome
// with us and with mosquitto.
func TestDifferential(t *testing.T) {
	mosquitto := startMosquitto(t)
	b := start(t)
	for _, level := range []byte{mqtt.Level311, mqtt.Level5} {
		for seed := range uint64(10) {
			id := fmt.Sprintf("d%d-%d", level, seed)
			theirs := operate(dialAddr(t, mosquitto, level), id, rand.New(rand.NewPCG(seed, 1)))
			ours := operate(dialAddr(t, b.Addrs()[0].String(), level), id, rand.New(rand.NewPCG(seed, 1)))
			for i := range theirs {
				if ours[i] != theirs[i] {
					t.Fatalf("level %d, seed %d, step %d:\nours      %s\nmosquitto %s", level, seed, i, ours[i], theirs[i])
				}
			}
		}
	}
}

// operate does 60 operations and gives what came of each.
func operate(c *client, id string, r *rand.Rand) (outcomes []string) {
	c.t.Helper()
	c.handshake(id)
	filters := []string{"a", "a/b", "a/+", "a/#", "#", "+/+", "+", "/a", "a/"}
	topics := []string{"a", "a/b", "a/b/c", "/a", "a/", "b", "a//"}
	// One set of options for all subscriptions: of overlapping ones mosquitto 2.0.11 takes
	// the first, where the standard wants the highest QoS [MQTT-3.3.5-1].
	options := mqtt.Subscription{QoS: byte(r.IntN(3))}
	if c.level == mqtt.Level5 {
		options.NoLocal, options.RetainAsPub = r.IntN(5) == 0, r.IntN(2) == 0
	}
	for i := range uint16(60) {
		op, end := "", ""
		pid := i + 1
		switch r.IntN(6) {
		case 0, 1:
			sub := options
			sub.Filter = id + "/" + filters[r.IntN(len(filters))]
			if c.level == mqtt.Level5 {
				sub.RetainHandling = byte(r.IntN(3))
			}
			op, end = fmt.Sprintf("subscribe %+v", sub), "SUBACK"
			c.write(mqtt.AppendSubscribe(nil, c.level, mqtt.Subscribe{ID: pid, Filters: []mqtt.Subscription{sub}}))
		case 2:
			filter := id + "/" + filters[r.IntN(len(filters))]
			op, end = "unsubscribe "+filter, "UNSUBACK"
			c.write(mqtt.AppendUnsubscribe(nil, c.level, pid, []string{filter}))
		default:
			topic := id + "/" + topics[r.IntN(len(topics))]
			qos, retain := byte(r.IntN(3)), r.IntN(3) == 0
			payload := strings.Repeat("x", r.IntN(4)) // none removes what is retained
			op = fmt.Sprintf("publish %s QoS %d retain %v %q", topic, qos, retain, payload)
			end = []string{"", "PUBACK", "PUBCOMP"}[qos]
			c.write(mqtt.AppendPublish(nil, c.level, mqtt.PublishFlags(qos, false, retain), topic, pid, nil, []byte(payload)))
		}
		outcomes = append(outcomes, op+" → "+strings.Join(c.settle(end), ", "))
	}
	return outcomes
}

// settle collects what comes until the operation is answered, by the packet named end, and
// nothing is open any more, and does its part of every exchange. The order within a step, and the packet ids that the broker chooses, are its
// own affair.
func (c *client) settle(end string) (got []string) {
	c.t.Helper()
	quiet := false
	for !quiet || end != "" { // until a round in which nothing came
		c.write([]byte{0xc0, 0})
		quiet = true
		for {
			f, err := c.next()
			if err != nil {
				c.t.Fatal(err)
			}
			if f.Type == mqtt.PINGRESP {
				break
			}
			quiet = false
			got = append(got, c.respond(f)...)
			if f.Type.String() == end {
				end = ""
			}
		}
	}
	slices.Sort(got)
	// Overlapping subscriptions may give one copy each (3.3.4, v5): mosquitto does so at
	// level 5, we never do.
	return slices.Compact(got)
}

func (c *client) respond(f mqtt.Frame) []string {
	switch f.Type {
	case mqtt.PUBLISH:
		var p mqtt.Publish
		if err := mqtt.ParsePublish(f, c.level, &p); err != nil {
			c.t.Fatal(err)
		}
		switch p.QoS {
		case 1:
			c.ack(mqtt.PUBACK, p.ID)
		case 2:
			c.ack(mqtt.PUBREC, p.ID)
		}
		return []string{fmt.Sprintf("%s QoS %d retain %v %q", p.Topic, p.QoS, p.Retain, p.Payload)}
	case mqtt.PUBREC:
		c.ack(mqtt.PUBREL, binary.BigEndian.Uint16(f.Body))
	case mqtt.PUBREL:
		c.ack(mqtt.PUBCOMP, binary.BigEndian.Uint16(f.Body))
		return nil
	}
	body := f.Body
	if len(body) == 3 && mqtt.Reason(body[2]) == mqtt.NoMatchingSubscribers {
		body = body[:2] // a server may say so, and mosquitto does with PUBACK only (3.5.2.1)
	}
	return []string{fmt.Sprintf("%v % x", f.Type, body)}
}

// TestViolationsAgree: what closes the connection at mosquitto closes it here, and what
// does not, does not. Left out is a SUBACK from a client, which mosquitto takes, being
// a client itself when it is a bridge.
func TestViolationsAgree(t *testing.T) {
	mosquitto := startMosquitto(t)
	b := start(t)
	for name, in := range map[string]string{
		"QoS 3": `3605 0001"a" 0001`, "wildcard topic": `3003 0001"#"`, "empty topic": "3002 0000",
		"topic not UTF-8": "3003 0001 ff", "packet id 0": `3205 0001"a" 0000`, "PUBREL flags": "60020007",
		"SUBSCRIBE flags": `8006 0001 0001"a" 00`, "SUBSCRIBE nothing": "8202 0001", "SUBSCRIBE QoS 3": `8206 0001 0001"a" 03`,
		"UNSUBSCRIBE flags": `a005 0001 0001"a"`, "second CONNECT": `100d` + v4 + `02003c 0001"z"`,
		"CONNACK": "20020000", "AUTH": "f000", "long length": "30ffffffff01",
		"PUBACK unknown": "40020009", "PUBREL unknown": "62020009", "PUBCOMP unknown": "70020009",
		"ping": "c000", "publish": `3206 0001"a" 0007 "x"`, "subscribe": `8206 000a 0001"a" 01`, "disconnect": "e000",
	} {
		outcome := func(addr string) string {
			c := dialAddr(t, addr, mqtt.Level311)
			c.handshake("v-" + strings.ReplaceAll(name, " ", ""))
			c.write(wire(t, in))
			_, _ = c.nc.Write([]byte{0xc0, 0}) // may be closed already
			got := ""
			for {
				_ = c.nc.SetReadDeadline(time.Now().Add(5 * time.Second))
				f, err := c.next()
				if err != nil {
					return got + " closed"
				}
				if f.Type == mqtt.PINGRESP {
					return got + " open"
				}
				got += fmt.Sprintf("% x ", f.Raw)
			}
		}
		theirs, ours := outcome(mosquitto), outcome(b.Addrs()[0].String())
		if theirs != ours {
			t.Errorf("%s: ours %q, mosquitto %q", name, ours, theirs)
		}
	}
}
