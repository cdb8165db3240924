package broker

import (
	"bufio"
	"fmt"
	"io"
	"math/bits"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"sensorgate/broker/budget"
	"sensorgate/broker/permissions"
	"sensorgate/internal/mqtt"
)

// The tests of this file are attacks that took memory of which the account knew nothing.

// heapAfter returns how much the heap has grown by what f makes and returns.
func heapAfter(f func() any) int64 {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what pools have kept
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	made := f()
	grown := heap() - before
	runtime.KeepAlive(made)
	return grown
}

// A client that takes topic aliases makes us remember the topics it gets: 64 of 60 KB each, with
// a few hundred clients more than the machine has.
func TestAliasesTowardsAClientArePaidFor(t *testing.T) {
	const limit = 8 << 20
	b := start(t, memory(limit))
	sub := connect(t, b, mqtt.Level5, "sub", func(c *mqtt.Connect) { c.TopicAliasMax = 64 })
	sub.subscribe("a/#", 0)
	long := strings.Repeat("x", 60_000)
	for round := range 2 {
		aliased := 0
		for i := range 64 {
			topic := fmt.Sprint("a/", i, long)
			_ = b.Publish(t.Context(), mqtt.Message{Topic: topic}) // QoS 0: it is taken
			m := sub.message()
			if m.Alias == 0 && string(m.Topic) != topic || m.Alias != 0 && round == 0 && string(m.Topic) != topic {
				t.Fatalf("round %d, topic %d: alias %d, %d bytes of topic", round, i, m.Alias, len(m.Topic))
			}
			if m.Alias != 0 {
				aliased++
			}
		}
		if used := b.memory.UsedFor(budget.Aliases); aliased == 0 || used < int64(aliased)*60_000 || used > limit/8 {
			t.Errorf("%d topics of 60 KB have an alias, %d bytes are charged; a client may have %d", aliased, used, limit/8)
		}
	}
	if n := b.memory.Refused(budget.Aliases); n > 1 {
		t.Errorf("%d refusals: it is asked for again with every message", n)
	}
	sub.disconnect()
	waitFor(t, "the end of the connection", func() bool { return b.memory.UsedFor(budget.Aliases) == 0 })
}

// What a worker keeps for the next batch is little, whatever the last one was: a single batch of
// short messages needs megabytes, and connections over TLS or WebSocket would each keep them.
func TestWorkersKeepLittleForTheNextBatch(t *testing.T) {
	b := start(t, listening(testListener(t, "ws")), diskJournal(t))
	sub := dialNetwork(t, b, "ws", mqtt.Level311)
	sub.handshake("sub", persistent)
	sub.subscribe("t", 1)
	_ = sub.nc.Close()
	waitFor(t, "the end of the connection", func() bool { return b.Stats().Clients == 0 })
	var batch []byte
	n := uint16(0)
	for ; len(batch) < 60_000; n++ {
		batch = append(batch, mqtt.AppendPublish(nil, mqtt.Level311, mqtt.PublishFlags(1, false, false), "t", n+1, nil, nil)...)
	}
	batch = append(batch, mqtt.AppendPublish(nil, mqtt.Level311, mqtt.PublishFlags(1, false, false), "t", n+1, nil, make([]byte, 900_000))...)
	pubs := make([]*client, 5)
	for i := range pubs {
		pubs[i] = dialNetwork(t, b, "ws", mqtt.Level311)
		pubs[i].handshake(fmt.Sprint("pub", i))
	}
	grown := heapAfter(func() any {
		for _, c := range pubs {
			c.write(batch)
			for id := range n + 1 {
				c.wantAck(mqtt.PUBACK, id+1)
			}
			for range 20 { // until its buffers are small ones again
				c.ping()
			}
		}
		return pubs
	})
	if grown > int64(len(pubs))*512<<10 {
		t.Errorf("%d clients that are idle take %d KB each", len(pubs), grown/int64(len(pubs))>>10)
	}
}

// Many short user properties take several times their bytes; a will keeps them.
func TestWillsWithManyPropertiesArePaidFor(t *testing.T) {
	packet := mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level5, ClientID: "c", Will: &mqtt.Will{
		Topic: "w", Properties: &mqtt.PublishProperties{User: make([]mqtt.UserProperty, 12_000)},
	}})
	var fee int64
	const wills = 50
	grown := heapAfter(func() any {
		var kept []*mqtt.Will
		for range wills {
			f, _, err := mqtt.NextFrame(packet, maxConnectPacket)
			if err != nil {
				t.Fatal(err)
			}
			c, err := mqtt.ParseConnect(f)
			if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, c.Will)
			fee += willFee(c.Will)
		}
		return kept
	})
	least := fee * 3 / 4
	if bits.UintSize == 32 { // the account is that of 64-bit processors, and never too low
		least /= 2
	}
	if grown > fee*5/4 || grown < least {
		t.Errorf("a will of %d bytes takes %d and is charged %d", len(packet), grown/wills, fee/wills)
	}
}

// A route names the identifiers of all subscriptions of its receivers, and all groups, and pays
// for each: there may be a thousand of them, for thousands of topics.
func TestRoutesArePaidForWithAllTheyName(t *testing.T) {
	b := create(t)
	c := connectedSession(t, b, "sub")
	for i := range 1000 {
		levels := make([]string, 10)
		for k := range levels {
			if levels[k] = "x"; i>>k&1 == 1 {
				levels[k] = "+"
			}
		}
		for _, group := range []string{"", fmt.Sprintf("$share/g%d/", i)} {
			e := newEntry(c, mqtt.Subscription{Filter: group + strings.Join(levels, "/")}, uint32(i+1))
			b.subs.Add(e.sub)
		}
	}
	w := b.worker()
	r := w.routeString("x/x/x/x/x/x/x/x/x/x")
	w.finishRoute(r)
	if len(r.targets) != 1 || len(r.targets[0].ids) != 1000 || len(r.groups) != 1000 {
		t.Fatalf("%d targets, %d groups", len(r.targets), len(r.groups))
	}
	if least := int64(cap(r.targets[0].ids)*4 + cap(r.groups)*8); r.fee < least {
		t.Errorf("the route is charged %d bytes and names %d bytes of identifiers and groups", r.fee, least)
	}
}

// connectedSession is a session of a broker that does not run.
func connectedSession(t *testing.T, b *Broker, id string) *session {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.newSessionLocked(id, b.memory.Client("", id), false)
	s.who.Store(&permissions.Identity{})
	return s
}

// What waited for the disk once takes no memory when it was sent: of a client with a burst of
// messages there were 1.5 MB left as long as it was connected.
func TestAcknowledgementsThatWereSentTakeNoMemory(t *testing.T) {
	const clients, burst = 50, 10_000
	grown := heapAfter(func() any {
		queues := make([]ackQueue, clients)
		for i := range queues {
			q := &queues[i]
			for range burst {
				q.expect(q.open(ack{typ: mqtt.PUBACK}), 0, mqtt.Success)
			}
			for range burst {
				if _, ok := q.next(); !ok {
					t.Fatal("it is due")
				}
			}
		}
		return queues
	})
	if grown > clients*64*int64(unsafe.Sizeof(ack{})) {
		t.Errorf("%d KB are left of each client that is idle", grown/clients>>10)
	}
}

// What waits for the disk is charged while it waits.
func TestAcknowledgementsThatWaitForTheDiskAreCharged(t *testing.T) {
	b := create(t)
	s := connectedSession(t, b, "pub")
	c := &conn{b: b, account: s.account, session: s}
	s.conn = c
	for range 4000 {
		c.acks.open(ack{typ: mqtt.PUBACK})
	}
	c.drainAcksLocked()
	if used, want := b.memory.UsedFor(budget.Inflight), int64(4000*unsafe.Sizeof(ack{})); used < want || used > 2*want {
		t.Errorf("%d bytes are charged for %d", used, want)
	}
	for i := range uint64(4000) {
		c.acks.expect(i, 0, mqtt.Success)
	}
	c.drainAcksLocked()
	if used := b.memory.UsedFor(budget.Inflight); used != 0 {
		t.Errorf("%d bytes are charged when all were sent", used)
	}
}

// A client of MQTT 5 may change the expiry of its session with DISCONNECT, but not beyond what
// sessions may have: with 0xFFFFFFFF it stayed until the next restart.
func TestDisconnectCannotMakeASessionStayForever(t *testing.T) {
	for _, asked := range []uint32{mqtt.SessionForever, 1 << 30} {
		inBubble(t, func(t *testing.T, p *piper) {
			p.b.limits().SessionExpiry = time.Hour
			c := p.connect(mqtt.Level5, "c", func(c *mqtt.Connect) { c.CleanStart, c.SessionExpiry = false, 60 })
			c.write([]byte{0xe0, 7, 0, 5, 0x11, byte(asked >> 24), byte(asked >> 16), byte(asked >> 8), byte(asked)})
			c.closed()
			time.Sleep(59 * time.Minute)
			if n := p.b.Stats().Sessions; n != 1 {
				t.Errorf("%d sessions after 59 minutes, want 1: it asked for more than a minute", n)
			}
			time.Sleep(2 * time.Minute)
			if n := p.b.Stats().Sessions; n != 0 {
				t.Errorf("expiry %#x: %d sessions after an hour, want none", asked, n)
			}
		})
	}
}

// halfOpen is a connection of which the broker can close one half.
type halfOpen struct{ net.Conn }

func (halfOpen) CloseWrite() error { return nil }

// Who is refused may read why for a second; of a flood of those who do not close, few get it:
// each is a goroutine and a descriptor that nobody has counted.
func TestFewOfThoseWhoAreRefusedStayOpen(t *testing.T) {
	for name, first := range map[string][]byte{
		"no CONNECT": {0xf0, 0},
		"refused":    mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level5, ClientID: "x", Will: &mqtt.Will{Topic: "#"}}),
	} {
		inBubble(t, func(t *testing.T, p *piper) {
			var open atomic.Int32
			for range 600 {
				ours, theirs := net.Pipe()
				p.ends = append(p.ends, ours)
				p.b.begin(halfOpen{theirs}, p.l)
				if _, err := ours.Write(first); err != nil {
					t.Fatal(err)
				}
				open.Add(1)
				go func() {
					_, _ = io.Copy(io.Discard, ours) // until it is closed
					open.Add(-1)
				}()
			}
			time.Sleep(500 * time.Millisecond)
			if n := open.Load(); n == 0 || n > 300 {
				t.Errorf("%s: %d of 600 connections are open", name, n)
			}
			time.Sleep(time.Second)
			if n := open.Load(); n != 0 {
				t.Errorf("%s: %d connections are open for longer than a second", name, n)
			}
		})
	}
}

// Long CONNECTs wait for their passwords to be looked at in an eighth of the budget; nobody has
// to know one to have them wait. Those of usual length do not notice.
func TestLongLoginsThatWaitAreBounded(t *testing.T) {
	b := start(t, memory(8<<20), func(o *Options) { o.Passwords = passwords(t, "ann") })
	long := func(c *mqtt.Connect) {
		props := &mqtt.PublishProperties{}
		for range 9000 { // each is worth ten times its bytes
			props.User = append(props.User, mqtt.UserProperty{Key: "a"})
		}
		c.Will = &mqtt.Will{Topic: "w", Properties: props}
	}
	if got := refused(t, b, mqtt.Level5, user("ann", "wrong"), long); got != mqtt.BadUserNameOrPassword {
		t.Errorf("a long CONNECT with a wrong password: %v", got)
	}
	if n := b.longLogins.Load(); n != 0 {
		t.Errorf("%d bytes wait when nobody does", n)
	}
	b.longLogins.Add(900 << 10) // as if three others waited
	if got := refused(t, b, mqtt.Level5, user("ann", "pw-ann"), long); got != mqtt.ServerBusy {
		t.Errorf("a long CONNECT while as many wait as may: %v", got)
	}
	if got := refused(t, b, mqtt.Level5, user("ann", "pw-ann")); got != mqtt.Success {
		t.Errorf("a usual CONNECT at that time: %v", got)
	}
	b.longLogins.Add(-900 << 10)
	if got := refused(t, b, mqtt.Level5, user("ann", "pw-ann"), long); got != mqtt.Success {
		t.Errorf("a long CONNECT afterwards: %v", got)
	}
}

// A retained message that has expired takes neither memory nor room on the disk: who publishes
// to ever new topics with an expiry could not retain anything after a while.
func TestExpiredRetainedMessagesMakeRoom(t *testing.T) {
	inBubble(t, func(t *testing.T, p *piper) {
		c := p.connect(mqtt.Level5, "c")
		for i := range 3000 {
			props := mqtt.AppendExpiry(nil, uint32(5+i%2*7200))
			c.write(mqtt.AppendPublish(nil, c.level, mqtt.PublishFlags(0, false, true), fmt.Sprint("event/", i), 0, props, []byte("x")))
		}
		c.ping()
		ctx := t.Context()
		go p.b.report(ctx)
		time.Sleep(time.Minute)
		if n, _ := p.b.retained.size(); n != 1500 {
			t.Errorf("%d messages are held a minute later, 1500 have not expired", n)
		}
		if n := len(p.b.journal.Keys(keyRetained)); n != 1500 {
			t.Errorf("%d messages stand in the journal, 1500 have not expired", n)
		}
		time.Sleep(2 * time.Hour)
		if n, used := len(p.b.journal.Keys(keyRetained)), p.b.memory.UsedFor(budget.Retained); n != 0 || used != 0 {
			t.Errorf("%d messages stand in the journal, %d bytes are charged, want none", n, used)
		}
	})
}

// What an upstream sends is retained from a share of its own: a client that names itself as the
// bridge does cannot use that up.
func TestClientCannotUseUpTheShareOfABridge(t *testing.T) {
	b := start(t, memory(8<<20))
	c := connect(t, b, mqtt.Level5, "bridge/up")
	for i := range 60 {
		c.write(mqtt.AppendPublish(nil, c.level, mqtt.PublishFlags(0, false, true), fmt.Sprint("r/", i), 0, nil, make([]byte, 30_000)))
		c.ping()
	}
	if err := b.Publish(t.Context(), mqtt.Message{Topic: "down", Payload: make([]byte, 50_000), Retain: true, Origin: "bridge/up"}); err != nil {
		t.Fatal(err)
	}
	if b.retained.get("down") == nil {
		t.Error("what the upstream has sent is not retained")
	}
}

// A client that stops reading in the middle of what is retained has a place in the tree: as
// deep as the topics are.
func TestPlacesInTheRetainedMessagesArePaidFor(t *testing.T) {
	b := start(t)
	deep := strings.Repeat("x/", 190)
	for i := range 2 * sliceMessages {
		_ = b.Publish(t.Context(), mqtt.Message{Topic: fmt.Sprint(deep, i), Retain: true, QoS: 1, Payload: []byte("x")}) // memory only: it is taken
	}
	before := b.memory.UsedFor(budget.Subscriptions)
	c := connect(t, b, mqtt.Level5, "c", func(c *mqtt.Connect) { c.ReceiveMaximum = 1 })
	c.write(mqtt.AppendSubscribe(nil, c.level, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: "#", QoS: 1}}}))
	c.messageAnd(mqtt.SUBACK)
	c.ping()
	if used := b.memory.UsedFor(budget.Subscriptions) - before; used < 190*40 {
		t.Errorf("%d bytes are charged for a subscription that is 190 levels deep in the tree", used)
	}
	_ = c.nc.Close()
	waitFor(t, "nothing is charged for who is gone", func() bool { return b.memory.UsedFor(budget.Subscriptions) == before })
}

// A listener for WebSockets is no web server: who does not upgrade is gone with its answer, or
// thousands of such connections would be there that no CONNECT is awaited from.
func TestHTTPWithoutUpgradeEndsWithItsAnswer(t *testing.T) {
	b := start(t, listening(testListener(t, "ws")))
	nc, err := net.Dial("tcp", b.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := io.WriteString(nc, strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 2)); err != nil {
		t.Fatal(err)
	}
	_ = nc.SetReadDeadline(time.Now().Add(30 * time.Second))
	r := bufio.NewReader(nc)
	answer, err := http.ReadResponse(r, nil)
	if err != nil || answer.StatusCode != http.StatusNotFound {
		t.Fatal(answer, err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	if rest, err := io.ReadAll(r); err != nil && !isReset(err) || len(rest) > 0 {
		t.Errorf("the connection goes on: %q, %v", rest, err)
	}
}
