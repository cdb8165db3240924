package broker

import (
	"bytes"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"sensorgate/broker/budget"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/timing"
)

// The tests of this file are attacks of one kind each: what clients can make the broker
// remember or do is bounded in bytes and in time, and what does not fit is refused with
// the code for it. deploy/attack has them as programs.

func memory(bytes int64) func(*Options) { return func(o *Options) { o.Memory = bytes } }

// reasonOf connects and returns what CONNACK says; the connection is closed again.
func reasonOf(t *testing.T, b *Broker, level byte, id string, change ...func(*mqtt.Connect)) mqtt.Reason {
	t.Helper()
	c := dial(t, b, level)
	con := &mqtt.Connect{Level: level, ClientID: id, CleanStart: true}
	for _, f := range change {
		f(con)
	}
	c.write(mqtt.AppendConnect(nil, con))
	ack, err := mqtt.ParseConnack(c.frame(mqtt.CONNACK), level)
	if err != nil {
		t.Fatal(err)
	}
	if ack.Reason == mqtt.Success {
		c.disconnect()
	}
	return ack.Reason
}

// TestSessionsAreBoundedInNumber (K1): one more than allowed is refused and counted, those
// that are there can come back, and one that ends makes room.
func TestSessionsAreBoundedInNumber(t *testing.T) {
	b := start(t, func(o *Options) { o.MaxSessions = 5 })
	for i := range 5 {
		if r := reasonOf(t, b, mqtt.Level311, fmt.Sprint("s", i), persistent); r != mqtt.Success {
			t.Fatalf("session %d of 5: %v", i, r)
		}
	}
	if r := reasonOf(t, b, mqtt.Level5, "one more", persistent); r != mqtt.QuotaExceeded {
		t.Errorf("level 5: session beyond the bound got %v, want 0x97", r)
	}
	if r := reasonOf(t, b, mqtt.Level311, "one more", persistent); r != mqtt.ServerUnavailable {
		t.Errorf("3.1.1: session beyond the bound got %v, want return code 3", r)
	}
	if got := b.Stats().RefusedMemory; got != 2 {
		t.Errorf("%d refusals counted, want 2", got)
	}
	if r := reasonOf(t, b, mqtt.Level311, "s3", persistent); r != mqtt.Success {
		t.Errorf("a session that is there cannot come back: %v", r)
	}
	if r := reasonOf(t, b, mqtt.Level311, "passing"); r != mqtt.Success {
		t.Errorf("a client without persistent session is refused: %v", r)
	}
	if r := reasonOf(t, b, mqtt.Level311, "s3"); r != mqtt.Success { // clean: its session ends
		t.Fatal(r)
	}
	waitFor(t, "room for another session", func() bool { return reasonOf(t, b, mqtt.Level311, "another", persistent) == mqtt.Success })
}

// TestSessionsAreBoundedInBytes (K1): ever new client ids of 60 KB.
func TestSessionsAreBoundedInBytes(t *testing.T) {
	b := start(t, memory(8<<20))
	kept := 0
	for i := range 200 {
		switch r := reasonOf(t, b, mqtt.Level5, fmt.Sprintf("%060000d", i), persistent); r {
		case mqtt.Success:
			kept++
		case mqtt.QuotaExceeded:
		default:
			t.Fatalf("session %d: %v", i, r)
		}
	}
	if used := b.memory.Used(); kept < 10 || kept > 100 || used > 8<<20 {
		t.Errorf("%d sessions kept, %d bytes; want what fits into 8 MiB", kept, used)
	}
	if r := reasonOf(t, b, mqtt.Level311, "x"); r != mqtt.Success && b.memory.Used() < 6<<20 {
		t.Errorf("a small client is refused: %v", r)
	}
}

// TestSessionOf311Expires (K1): a session of a client that cannot say how long does not
// live forever, and one of MQTT 5 may ask for less but not for more.
func TestSessionOf311Expires(t *testing.T) {
	inBubble(t, func(t *testing.T, p *piper) {
		p.b.limits().SessionExpiry = time.Hour
		c := p.connect(mqtt.Level311, "old", persistent)
		c.disconnect()
		c5 := p.dial(mqtt.Level5)
		ack := c5.handshake("new", persistent, func(c *mqtt.Connect) { c.SessionExpiry = mqtt.SessionForever })
		if !ack.HasSessionExpiry || ack.SessionExpiry != 3600 {
			t.Errorf("a session forever was asked for, CONNACK says %v %d s, want 3600", ack.HasSessionExpiry, ack.SessionExpiry)
		}
		c5.disconnect()
		time.Sleep(59 * time.Minute)
		if n := p.b.Stats().Sessions; n != 2 {
			t.Errorf("%d sessions after 59 minutes, want 2", n)
		}
		time.Sleep(2 * time.Minute)
		if n, used := p.b.Stats().Sessions, p.b.memory.UsedFor(budget.Sessions); n != 0 || used != 0 {
			t.Errorf("%d sessions and %d bytes after an hour, want none", n, used)
		}
	})
}

// TestSessionBelongsToItsUser (K5): another user cannot take a session over, nor end it,
// connected or not.
func TestSessionBelongsToItsUser(t *testing.T) {
	users := passwords(t, "ann", "bob")
	b := start(t, func(o *Options) { o.Passwords = users })
	sub := connect(t, b, mqtt.Level311, "meter", persistent, user("ann", "pw-ann"))
	sub.subscribe("q", 1)
	for _, connected := range []bool{true, false} {
		if !connected {
			sub.disconnect()
			waitFor(t, "the end of the connection", func() bool { return b.Stats().Clients == 0 })
		}
		for _, clean := range []bool{true, false} {
			change := func(c *mqtt.Connect) { c.CleanStart = clean }
			if r := reasonOf(t, b, mqtt.Level5, "meter", user("bob", "pw-bob"), change); r != mqtt.ClientIDNotValid {
				t.Errorf("connected %v, clean start %v: bob got %v, want 0x85", connected, clean, r)
			}
			if r := reasonOf(t, b, mqtt.Level311, "meter", user("bob", "pw-bob"), change); r != mqtt.ClientIDNotValid {
				t.Errorf("connected %v, clean session %v: bob got %v, want return code 2", connected, clean, r)
			}
		}
	}
	pub := connect(t, b, mqtt.Level311, "pub", user("bob", "pw-bob"))
	pub.publish("q", "hers", 1, 1)
	pub.wantAck(mqtt.PUBACK, 1)
	sub = dial(t, b, mqtt.Level311)
	if ack := sub.handshake("meter", persistent, user("ann", "pw-ann")); !ack.SessionPresent {
		t.Fatal("ann's session is gone")
	}
	sub.want("q", "hers")
}

// TestOneFilterOncePerPacket (K2): a SUBSCRIBE that names # 900 times gets what is
// retained once.
func TestOneFilterOncePerPacket(t *testing.T) {
	b := start(t)
	pub := connect(t, b, mqtt.Level311, "pub")
	for i := range 50 {
		pub.write(mqtt.AppendPublish(nil, pub.level, mqtt.PublishFlags(1, false, true), fmt.Sprint("r/", i), uint16(i+1), nil, []byte("x")))
		pub.wantAck(mqtt.PUBACK, uint16(i+1))
	}
	for _, change := range [][]func(*mqtt.Connect){nil, {persistent}} {
		sub := connect(t, b, mqtt.Level311, "sub", change...)
		filters := make([]mqtt.Subscription, 900)
		for i := range filters {
			filters[i] = mqtt.Subscription{Filter: "#", QoS: 1}
		}
		sub.write(mqtt.AppendSubscribe(nil, sub.level, mqtt.Subscribe{ID: 1, Filters: filters}))
		got := 0
		sent := false
		for {
			f, err := sub.next()
			if err != nil {
				t.Fatal(err)
			}
			if f.Type == mqtt.PUBLISH {
				var p mqtt.Publish
				if err := mqtt.ParsePublish(f, sub.level, &p); err != nil {
					t.Fatal(err)
				}
				if string(p.Topic) == "end" {
					break
				}
				sub.ack(mqtt.PUBACK, p.ID)
				got++
			}
			if got == 50 && !sent {
				sent = true
				pub.publish("end", "", 0, 0)
			}
		}
		if got != 50 {
			t.Errorf("%d retained messages for 50, want each once", got)
		}
		sub.disconnect()
	}
}

// TestManyRetainedLetOthersHaveTheirTurn (K2): while somebody gets 50,000 retained
// messages, others are served between them, and nothing of them is copied in advance.
func TestManyRetainedLetOthersHaveTheirTurn(t *testing.T) {
	b := start(t)
	n := count(t, 50_000)
	b.retained.mu.Lock()
	for i := range n {
		r := keep(&publication{route: &route{topic: fmt.Sprintf("r/%d/%d", i/100, i)}, payload: make([]byte, 50), qos: 1})
		r.account = b.own
		b.retained.setLocked(r, true)
	}
	b.retained.mu.Unlock()
	before := b.memory.Used()
	other := connect(t, b, mqtt.Level311, "other")
	sub := connect(t, b, mqtt.Level311, "sub")
	sub.subscribe("r/#", 1)
	var worst time.Duration
	peak := int64(0)
	go func() {
		for i := 0; i < n; i++ {
			if f, err := sub.next(); err == nil && f.Type == mqtt.PUBLISH {
				var p mqtt.Publish
				if mqtt.ParsePublish(f, sub.level, &p) == nil {
					sub.ack(mqtt.PUBACK, p.ID)
				}
			}
		}
		_ = sub.nc.Close()
	}()
	for b.Stats().Clients > 1 {
		begin := time.Now()
		other.ping()
		worst = max(worst, time.Since(begin))
		peak = max(peak, b.memory.Used()-before)
	}
	t.Logf("%d retained: worst ping %v, longest turn %v, %d bytes at most", n, worst, b.Stats().LongestTurn, peak)
	if worst > timing.Limit(500*time.Millisecond) {
		t.Errorf("another client waited %v", worst)
	}
	if peak > 2<<20 {
		t.Errorf("%d bytes were held for the subscriber", peak)
	}
}

// TestPropertiesAreBounded (K15): 1.75 MB of user properties are refused before they are
// looked at.
func TestPropertiesAreBounded(t *testing.T) {
	b := start(t)
	props := bytes.Repeat([]byte{0x26, 0, 1, 'a', 0, 0}, 290_000)
	c := connect(t, b, mqtt.Level5, "c")
	begin := time.Now()
	c.write(mqtt.AppendPublish(nil, c.level, mqtt.PublishFlags(1, false, false), "t", 1, props, nil))
	d, err := mqtt.ParseDisconnect(c.frame(mqtt.DISCONNECT), c.level)
	if err != nil || d.Reason != mqtt.QuotaExceeded {
		t.Errorf("got %v %v after %v, want DISCONNECT 0x97", d.Reason, err, time.Since(begin))
	}
	fine := bytes.Repeat([]byte{0x26, 0, 1, 'a', 0, 0}, 10_000)
	c = connect(t, b, mqtt.Level5, "c")
	c.write(mqtt.AppendPublish(nil, c.level, mqtt.PublishFlags(1, false, false), "t", 1, fine, nil))
	c.wantAck(mqtt.PUBACK, 1)
}

// TestWhoReadsNoAnswersIsNotReadFrom: a client that only asks and never reads stops being
// read from; what waits for it is bounded, and it goes on when it reads.
func TestWhoReadsNoAnswersIsNotReadFrom(t *testing.T) {
	b := start(t)
	c := connect(t, b, mqtt.Level311, "deaf")
	pings := bytes.Repeat([]byte{0xc0, 0}, 32<<10)
	sent := 0
	for ; sent < 1000; sent++ { // 64 MB
		_ = c.nc.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		if n, err := c.nc.Write(pings); err != nil {
			if n%2 == 1 { // half a packet: the other half must follow
				_ = c.nc.SetWriteDeadline(time.Time{})
				go func() { _, _ = c.nc.Write([]byte{0}) }()
			}
			break
		}
	}
	if sent == 1000 {
		t.Error("64 MB of PINGREQ were taken from a client that reads nothing")
	}
	if used := b.memory.UsedFor(budget.Buffers); used > 2*maxUnread {
		t.Errorf("%d bytes wait for a client that reads nothing", used)
	}
	buf, got := make([]byte, 64<<10), 0
	for got < sent*len(pings) {
		_ = c.nc.SetReadDeadline(time.Now().Add(time.Minute))
		n, err := c.nc.Read(buf)
		if err != nil {
			t.Fatalf("after %d of %d bytes of answers: %v", got, sent*len(pings), err)
		}
		got += n
	}
}

// diskJournal is a journal as in real life: values are on the disk and not in memory.
func diskJournal(t testing.TB) func(*Options) {
	return func(o *Options) {
		j, err := journal.Open(journal.Options{Dir: t.TempDir(), Size: 256 << 20, FreeFloor: 1, SeqStep: SeqStep})
		if err != nil {
			t.Fatal(err)
		}
		o.Journal = runJournal(t, j)
	}
}

// many runs f for n clients one after the other and keeps their connections.
func many(t *testing.T, b *Broker, n int, level byte, f func(c *client, i int)) {
	for i := range n {
		nc, err := net.Dial("tcp", b.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		c := &client{t: t, nc: nc, level: level, buf: make([]byte, 512)}
		f(c, i)
		c.buf, c.have = nil, nil
	}
}

// TestAccountAgreesWithTheHeap (K3): under each attack the account is within a quarter of
// what the heap and the stacks have grown by, and never above the limit.
func TestAccountAgreesWithTheHeap(t *testing.T) {
	timing.Judged(t) // with 32 bits the heap is smaller, and the race detector has a shadow of all memory
	const limit = 32 << 20
	hello := func(c *client, i int, change ...func(*mqtt.Connect)) bool {
		con := &mqtt.Connect{Level: c.level, ClientID: fmt.Sprintf("client-%06d", i), CleanStart: true}
		for _, f := range change {
			f(con)
		}
		c.write(mqtt.AppendConnect(nil, con))
		ack, err := mqtt.ParseConnack(c.frame(mqtt.CONNACK), c.level)
		return err == nil && ack.Reason == mqtt.Success
	}
	subscribe := func(c *client, id int, filter string) {
		c.write(mqtt.AppendSubscribe(nil, c.level, mqtt.Subscribe{ID: uint16(id), Filters: []mqtt.Subscription{{Filter: filter}}}))
		c.frame(mqtt.SUBACK)
	}
	sub := func(filter func(i, j int) string, n int) func(t *testing.T, b *Broker) {
		return func(t *testing.T, b *Broker) {
			many(t, b, 12, mqtt.Level311, func(c *client, i int) {
				if hello(c, i) {
					for j := range n {
						subscribe(c, j+1, filter(i, j))
					}
				}
			})
		}
	}
	retain := func(topic func(i, j int) string, size, n int) func(t *testing.T, b *Broker) {
		return func(t *testing.T, b *Broker) {
			many(t, b, 12, mqtt.Level311, func(c *client, i int) {
				if !hello(c, i) {
					return
				}
				for j := range n {
					c.write(mqtt.AppendPublish(nil, c.level, mqtt.PublishFlags(0, false, true), topic(i, j), 0, nil, make([]byte, size)))
				}
				c.write([]byte{0xc0, 0})
				c.frame(mqtt.PINGRESP)
			})
		}
	}
	for name, attack := range map[string]func(t *testing.T, b *Broker){
		"connections": func(t *testing.T, b *Broker) {
			many(t, b, 1500, mqtt.Level311, func(c *client, i int) { hello(c, i) })
		},
		"persistent sessions": func(t *testing.T, b *Broker) {
			for i := range 3000 {
				nc, err := net.Dial("tcp", b.Addrs()[0].String())
				if err != nil {
					t.Fatal(err)
				}
				c := &client{t: t, nc: nc, level: mqtt.Level311, buf: make([]byte, 512)}
				hello(c, i, persistent)
				_ = nc.Close()
			}
		},
		"filters of 60 KB":      sub(func(i, j int) string { return fmt.Sprintf("%d/%060000d", i, j) }, 100),
		"filters of 190 levels": sub(func(i, j int) string { return fmt.Sprintf("%d/%d", i, j) + strings.Repeat("/x", 188) }, 150),
		"short filters":         sub(func(i, j int) string { return fmt.Sprintf("site/%d/%d", i, j) }, 900),
		"retained, 150 levels":  retain(func(i, j int) string { return fmt.Sprintf("%d/%d", i, j) + strings.Repeat("/x", 148) }, 10, 150),
		"retained, short":       retain(func(i, j int) string { return fmt.Sprintf("site/%d/%d", i, j) }, 10, 2500),
		"retained, 50 KB":       retain(func(i, j int) string { return fmt.Sprintf("site/%d/%d", i, j) }, 50_000, 100),
		"delayed wills": func(t *testing.T, b *Broker) {
			for i := range 700 {
				nc, err := net.Dial("tcp", b.Addrs()[0].String())
				if err != nil {
					t.Fatal(err)
				}
				c := &client{t: t, nc: nc, level: mqtt.Level5, buf: make([]byte, 512)}
				hello(c, i, func(c *mqtt.Connect) {
					c.SessionExpiry, c.Will = 1000, &mqtt.Will{Topic: "w", Payload: make([]byte, 60_000), Delay: 1000}
				})
				_ = nc.Close()
			}
		},
		"aliases": func(t *testing.T, b *Broker) {
			many(t, b, 20, mqtt.Level5, func(c *client, i int) {
				if !hello(c, i) {
					return
				}
				for j := range 30 {
					topic := fmt.Sprintf("%d/%060000d", i, j)
					c.write(mqtt.AppendPublish(nil, c.level, 0, topic, 0, mqtt.AppendTopicAlias(nil, uint16(j+1)), nil))
				}
				c.write([]byte{0xc0, 0})
				_, _ = c.next() // PINGRESP, or the end
			})
		},
		"what is not acknowledged": func(t *testing.T, b *Broker) {
			many(t, b, 12, mqtt.Level311, func(c *client, i int) {
				if hello(c, i) {
					c.write(mqtt.AppendSubscribe(nil, c.level, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: "wait", QoS: 1}}}))
					c.frame(mqtt.SUBACK)
				}
			})
			for range 6000 {
				_ = b.Publish(t.Context(), mqtt.Message{Topic: "wait", QoS: 1}) // memory only: it is taken
			}
		},
		"packets that do not end": func(t *testing.T, b *Broker) {
			many(t, b, 40, mqtt.Level311, func(c *client, i int) {
				hello(c, i)
				packet := mqtt.AppendPublish(nil, c.level, 0, "x", 0, nil, make([]byte, 1_000_000))
				_ = c.nc.SetWriteDeadline(time.Now().Add(time.Second))
				_, _ = c.nc.Write(packet[:900_000])
			})
			waitFor(t, "it is read", func() bool {
				n := b.memory.UsedFor(budget.Buffers)
				time.Sleep(200 * time.Millisecond)
				return n > 0 && n == b.memory.UsedFor(budget.Buffers)
			})
		},
		"CONNECTs that do not end": func(t *testing.T, b *Broker) {
			packet := mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level311, ClientID: strings.Repeat("x", 60_000), CleanStart: true})
			many(t, b, 30, mqtt.Level311, func(c *client, i int) { c.write(packet[:50_000]) })
			waitFor(t, "they are read", func() bool { return b.memory.UsedFor(budget.Logins) > 30*50_000 })
		},
		"what waits for readers": func(t *testing.T, b *Broker) {
			many(t, b, 12, mqtt.Level5, func(c *client, i int) {
				if hello(c, i, func(c *mqtt.Connect) { c.ReceiveMaximum = 10 }) {
					c.write(mqtt.AppendSubscribe(nil, c.level, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: "wait/#", QoS: 1}}}))
					c.frame(mqtt.SUBACK)
				}
			})
			for i := range 6000 {
				_ = b.Publish(t.Context(), mqtt.Message{Topic: fmt.Sprint("wait/", i%50), QoS: 1, Payload: make([]byte, 300)}) // memory only: it is taken
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, memory(limit), diskJournal(t))
			reasonOf(t, b, mqtt.Level311, "first") // what is made once
			base, charged := heapNow(), b.memory.Used()
			attack(t, b)
			waitFor(t, "the ends of connections", func() bool { return b.Stats().Clients == 0 || len(b.Addrs()) > 0 })
			grown, account := heapNow()-base, b.memory.Used()-charged
			kinds := ""
			for k := range budget.Kinds {
				if n := b.memory.UsedFor(k); n != 0 {
					kinds += fmt.Sprintf(" %s %d", k, n)
				}
			}
			t.Logf("heap and stacks %d, account %d (%.2f):%s", grown, account, float64(account)/float64(grown), kinds)
			if account > limit {
				t.Errorf("the account has %d bytes, the limit is %d", account, limit)
			}
			if ratio := float64(account) / float64(grown); ratio < 0.75 || ratio > 1.25 {
				t.Errorf("the account has %d bytes, heap and stacks have grown by %d", account, grown)
			}
			runtime.KeepAlive(b)
		})
	}
}

// Persistent sessions and retained messages must leave room in the journal for messages: what
// they take there is never dropped.
func TestSessionsLeaveRoomInTheJournal(t *testing.T) {
	j, err := journal.Open(journal.Options{Dir: t.TempDir(), Size: 1 << 20, SegmentSize: 64 << 10, FreeFloor: 1, SeqStep: SeqStep})
	if err != nil {
		t.Fatal(err)
	}
	runJournal(t, j)
	b := start(t, func(o *Options) { o.Journal = j })
	first := connect(t, b, mqtt.Level5, "first", persistent)
	refused := 0
	for i := range 60 {
		c := dial(t, b, mqtt.Level5)
		con := &mqtt.Connect{Level: mqtt.Level5, ClientID: fmt.Sprintf("%d-%s", i, strings.Repeat("x", 1000))}
		persistent(con)
		c.write(mqtt.AppendConnect(nil, con))
		a, err := mqtt.ParseConnack(c.frame(mqtt.CONNACK), mqtt.Level5)
		switch {
		case err != nil:
			t.Fatal(err)
		case a.Reason == mqtt.QuotaExceeded:
			refused++
		case a.Reason != mqtt.Success:
			t.Fatalf("client %d: %v", i, a.Reason)
		}
		_ = c.nc.Close()
	}
	if refused < 30 || refused > 45 {
		t.Errorf("%d of 60 sessions of 6 KB refused; a sixth of 1 MiB has room for 26", refused)
	}
	_ = first.nc.Close()
	if !dial(t, b, mqtt.Level5).handshake("first", persistent).SessionPresent {
		t.Error("who has a session does not get it")
	}
	for i := range 10 { // and one that ends makes room
		if err := b.RemoveSession(t.Context(), fmt.Sprintf("%d-%s", i, strings.Repeat("x", 1000))); err != nil {
			t.Fatal(err)
		}
	}
	connect(t, b, mqtt.Level5, strings.Repeat("y", 1000), persistent)

	pub := connect(t, b, mqtt.Level5, "pub")
	kept := 0
	for i := range 40 {
		pub.write(mqtt.AppendPublish(nil, pub.level, 1<<1|1, fmt.Sprintf("r/%d", i), uint16(i+1), nil, make([]byte, 5000)))
		if a, err := mqtt.ParseAck(pub.frame(mqtt.PUBACK), pub.level); err != nil {
			t.Fatal(err)
		} else if a.Reason < mqtt.Unspecified {
			kept++
		}
	}
	if kept < 20 || kept > 26 {
		t.Errorf("%d retained messages of 5 KB kept, an eighth of 1 MiB has room for 25", kept)
	}
}
