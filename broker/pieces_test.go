package broker

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sensorgate/broker/poll"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/timing"
)

func sessionOf(b *Broker, id string) *session {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sessions[id]
}

// turnsFor hands a packet to a connection in turns that are over whenever it is looked, and
// returns how many it takes.
func turnsFor(t *testing.T, c *conn, w *worker, packet []byte, most int, between func()) (turns int) {
	t.Helper()
	for used := 0; used < len(packet) || c.more; turns++ {
		n, _, err := c.input(w, packet[used:])
		if err != nil || turns > most {
			t.Fatalf("turn %d: %v", turns, err)
		}
		used += n
		w.costly = false
		between()
	}
	w.at = nil
	c.endBatch(w)
	w.finish()
	return turns
}

// 60 KB of properties to 300 subscribers were 18 MB in one turn: only payloads counted.
func TestLongPropertiesToManyAreSentInTurns(t *testing.T) {
	b := start(t)
	var subs []*client
	for i := range crowd {
		s := connect(t, b, mqtt.Level5, fmt.Sprint("sub", i))
		s.subscribe("fan", 0)
		subs = append(subs, s)
	}
	connect(t, b, mqtt.Level5, "pub").ping() // all CONNECTs are handled
	c, w := inTurn(t, b, "pub")
	props := mqtt.AppendPublishProperties(nil, &mqtt.PublishProperties{CorrelationData: make([]byte, 60_000)}, 0)
	packet := mqtt.AppendPublish(nil, mqtt.Level5, 0, "fan", 0, props, []byte("x"))
	if turns := turnsFor(t, c, w, packet, 4*crowd, func() {}); turns < crowd/4 {
		t.Errorf("60 KB of properties to %d subscribers took %d turns", crowd, turns)
	}
	for _, s := range subs {
		if p := s.message(); len(p.Props) < 60_000 || string(p.Payload) != "x" {
			t.Fatalf("%q with %d bytes of properties came", p.Payload, len(p.Props))
		}
	}
}

// wide has n clients subscribe to one topic with 256 filters each, and returns the topic.
func wide(t *testing.T, b *Broker, n int) (topic string, subs []*client) {
	topic = "a/b/c/d/e/f/g/h"
	filters := make([]mqtt.Subscription, 256)
	for i := range filters { // each level is itself or a wildcard
		f := []byte(topic)
		for level := range 8 {
			if i>>level&1 == 1 {
				f[2*level] = '+'
			}
		}
		filters[i] = mqtt.Subscription{Filter: string(f), QoS: 1}
	}
	for i := range n {
		s := connect(t, b, mqtt.Level5, fmt.Sprint("wide", i), func(c *mqtt.Connect) {
			if c.CleanStart = i%4 > 0; i%4 == 0 {
				c.SessionExpiry = 60
			}
		})
		s.write(mqtt.AppendSubscribe(nil, mqtt.Level5, mqtt.Subscribe{ID: 1, Filters: filters}))
		s.frame(mqtt.SUBACK)
		subs = append(subs, s)
	}
	return topic, subs
}

// 75,000 subscriptions that match one topic held a loop for 30 ms whenever somebody had
// subscribed anew: its route is worked out in turns, also while others subscribe all the time.
// Every message comes once and in order, is acknowledged, and who subscribes gets it if it is
// retained.
func TestRouteOfManySubscriptionsIsWorkedOutInTurns(t *testing.T) {
	const sessions, messages = 24, 4 // 6,144 subscriptions
	b := start(t)
	topic, subs := wide(t, b, sessions)
	pub := connect(t, b, mqtt.Level5, "pub")
	pub.ping()
	c, w := inTurn(t, b, "pub")
	var packets []byte
	for i := range messages {
		retain := i == messages-1
		packets = mqtt.AppendPublish(packets, mqtt.Level5, mqtt.PublishFlags(byte(i%2), false, retain), topic, uint16(i), nil, []byte{byte('0' + i)})
	}
	turns := turnsFor(t, c, w, packets, 10_000, b.subs.Touch)
	if least := messages * sessions * 256 / 2048; turns < least { // 2,048 subscriptions in a turn are 400 µs on a small machine
		t.Errorf("%d messages for %d subscriptions took %d turns, want at least %d", messages, sessions*256, turns, least)
	}
	if w.routing != nil || c.fan != nil {
		t.Error("something is left over")
	}
	for i := 1; i < messages; i += 2 {
		pub.wantAck(mqtt.PUBACK, uint16(i))
	}
	for k, s := range subs {
		for i := range messages {
			p := s.message()
			if p.QoS == 1 {
				s.ack(mqtt.PUBACK, p.ID)
			}
			if k%4 > 0 && string(p.Payload) != fmt.Sprint(i) { // a durable one has QoS 1 from another way
				t.Fatalf("message %d of subscriber %d is %q", i, k, p.Payload)
			}
		}
	}
	late := connect(t, b, mqtt.Level5, "late")
	late.subscribe(topic, 0)
	late.want(topic, fmt.Sprint(messages-1))
}

// A route that takes several turns is the only one at a time: what is known of it takes
// memory. It is forgotten when its publisher is gone.
func TestOneLongRouteAtATime(t *testing.T) {
	b := start(t)
	topic, subs := wide(t, b, 8)
	connect(t, b, mqtt.Level5, "one").ping()
	connect(t, b, mqtt.Level5, "two").ping()
	one, w := inTurn(t, b, "one")
	two := sessionOf(b, "two").conn
	packet := mqtt.AppendPublish(nil, mqtt.Level5, 0, topic, 0, nil, []byte("x"))
	if used, _, err := one.input(w, packet); used != len(packet) || err != nil || one.fan == nil {
		t.Fatalf("used %d of %d, %v", used, len(packet), err)
	}
	w.at, w.costly = two, false
	if used, _, err := two.input(w, packet); used != 0 || err != nil || !two.more {
		t.Fatalf("used %d while another one's route is worked out, %v", used, err)
	}
	w.at, w.until = nil, time.Time{}
	one.finishFanOut(w) // as when its connection ends
	w.finish()
	w.at = two
	if used, _, err := two.input(w, packet); used != len(packet) || err != nil {
		t.Fatalf("used %d of %d, %v", used, len(packet), err)
	}
	w.at = nil
	two.finishFanOut(w)
	w.finish()
	for _, s := range subs {
		s.want(topic, "x")
		s.want(topic, "x")
	}
}

// holdLoops keeps all event loops from doing anything until free is called.
func holdLoops(t *testing.T, b *Broker) (free func()) {
	t.Helper()
	var held []*session
	for i := range b.loops {
		id := fmt.Sprint("held", i)
		c := connect(t, b, mqtt.Level311, id)
		c.ping()
		s := sessionOf(b, id)
		s.mu.Lock()
		held = append(held, s)
		l := s.conn.writer.(*socket).loop
		c.write([]byte{0xc0, 0})
		waitFor(t, "a loop waits", func() bool { return !l.sleeping.Load() })
	}
	return func() {
		for _, s := range held {
			s.mu.Unlock()
		}
	}
}

// A record for many persistent sessions was sent to all of them at once, with the lock held
// that every publisher needs.
func TestRecordForManyIsDeliveredInTurns(t *testing.T) {
	b := start(t)
	var subs []*client
	for i := range crowd {
		s := connect(t, b, mqtt.Level311, fmt.Sprint("sub", i), persistent)
		s.subscribe("fan", 1)
		subs = append(subs, s)
	}
	waitFor(t, "all wait for new messages", func() bool {
		for i := range crowd {
			s := sessionOf(b, fmt.Sprint("sub", i))
			s.mu.Lock()
			live := s.live
			s.mu.Unlock()
			if !live {
				return false
			}
		}
		return true
	})
	free := holdLoops(t, b)
	err := b.Publish(t.Context(), mqtt.Message{Topic: "fan", QoS: 1, Payload: []byte(bigPayload(0))})
	sent := 0
	for i := range crowd {
		s := sessionOf(b, fmt.Sprint("sub", i))
		s.mu.Lock()
		if s.sent > 0 {
			sent++
		}
		s.mu.Unlock()
	}
	free()
	if most := fanOutBytes/(64<<10) + 1; err != nil || sent == 0 || sent > most {
		t.Errorf("%d of %d got it at once, want at most %d: %v", sent, crowd, most, err)
	}
	if err := b.Publish(t.Context(), mqtt.Message{Topic: "fan", QoS: 1, Payload: []byte(bigPayload(1))}); err != nil {
		t.Error(err)
	}
	for _, s := range subs {
		s.wantInOrder(2)
	}
}

// What is published beside the event loops gives them the processor now and then.
func TestPublishBesideTheLoopsRests(t *testing.T) {
	b := start(t)
	subs := gather(t, b, crowd)
	w := b.worker()
	p := &w.pub
	*p = publication{route: w.routeString("fan"), payload: []byte(bigPayload(0)), qos: 1, at: w.now}
	w.publish(p, nil, 0)
	if least := crowd * (64 << 10) / (fanOutSlice + 128<<10); w.rests < least {
		t.Errorf("a message of 64 KB to %d subscribers rested %d times, want at least %d", crowd, w.rests, least)
	}
	w.release()
	for _, s := range subs {
		s.wantInOrder(1)
	}
}

// What waits for a session goes out in turns.
func TestLongQueueIsSentInTurns(t *testing.T) {
	const n = 4 * workPerLook
	b := start(t)
	s := connect(t, b, mqtt.Level311, "s", persistent)
	s.subscribe("a", 1)
	s.disconnect()
	waitFor(t, "it is away", func() bool { return !sessionOf(b, "s").connected() })
	for i := range n {
		if err := b.Publish(t.Context(), mqtt.Message{Topic: "a", QoS: 1, Payload: fmt.Appendf(nil, "%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	s = connect(t, b, mqtt.Level311, "s", persistent)
	for i := range n {
		p := s.message()
		if string(p.Payload) != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, p.Payload)
		}
	}
	s.ping()
	_, w := inTurn(t, b, "s")
	session := sessionOf(b, "s")
	session.mu.Lock()
	defer session.mu.Unlock()
	session.resumeLocked(session.conn) // as if it had just come back, in a turn that is over
	session.catchUpLocked(w)
	if got := session.inflight.unacked; got == 0 || got > n/2 {
		t.Errorf("%d of %d were sent in one turn", got, n)
	}
	w.touched = nil
}

// A connection that was taken over handled all that its socket held in one turn, whatever it
// was: 256 KB of packets, of which each may be costly.
func TestLastPacketsOfATakenOverConnectionAreHandledInTurns(t *testing.T) {
	if timing.Race {
		t.Skip("the test stands in for an event loop that is idle, which the race detector cannot know")
	}
	const n = 2000
	b := start(t)
	sub := connect(t, b, mqtt.Level311, "sub")
	sub.subscribe("a", 0)
	it := connect(t, b, mqtt.Level311, "it")
	it.ping()
	c := sessionOf(b, "it").conn
	s := c.writer.(*socket)
	real := s.loop
	_ = real.sys.Control(unix.EPOLL_CTL_DEL, s.fd, 0) // it is served by a loop of the test's
	l, err := newLoop(b)
	if err != nil {
		t.Fatal(err)
	}
	defer l.sys.Close()
	l.sockets = make([]*socket, s.fd+1)
	s.loop = l
	var b4 []byte
	for i := range n {
		b4 = mqtt.AppendPublish(b4, mqtt.Level311, 0, "a", 0, nil, fmt.Appendf(nil, "%d", i))
	}
	it.write(b4)
	c.stopping.Store(1 + uint32(mqtt.SessionTakenOver))
	w := l.w
	w.begin()
	w.until = w.now // the turn is over whenever it is looked
	turns := 0
	for ; s.isOpen(); turns++ {
		if turns > n {
			t.Fatal("it does not end")
		}
		s.endAsked(w)
	}
	w.finish()
	if turns < 10 {
		t.Errorf("%d packets took %d turns", n, turns)
	}
	for i := range n {
		sub.want("a", fmt.Sprint(i))
	}
	<-c.done
}

// slowSockets are named all at once, again and again, and take a while to read.
type slowSockets struct {
	poll.Poller
	read map[int]int
	asks int
}

func (p *slowSockets) Wait([]unix.EpollEvent, time.Duration) (int, error) { p.asks++; return 0, nil }
func (p *slowSockets) Read(fd int, _ []byte) (int, error) {
	p.read[fd]++
	for end := time.Now().Add(2 * shareFloor); time.Now().Before(end); {
	}
	return -1, unix.EAGAIN
}

// 128 sockets with a tenth of a millisecond each were a turn of 13 ms, and more if each took a
// little longer: a turn ends in time, and those who had none have the next.
func TestWhoWasNamedAndHadNoTurnHasTheNext(t *testing.T) {
	b := create(t)
	sys := &slowSockets{read: map[int]int{}}
	l := &loop{b: b, sys: sys, w: newWorker(b), events: make([]unix.EpollEvent, 128), buf: make([]byte, loopRead)}
	for fd := range l.events {
		l.sockets = append(l.sockets, &socket{loop: l, fd: fd})
		l.events[fd] = unix.EpollEvent{Fd: int32(fd), Events: unix.EPOLLIN}
	}
	l.named = len(l.events)
	turns := 0
	for sys.asks == 0 {
		l.w.begin()
		l.handleEvents()
		turns++
		if err := l.wait(); err != nil {
			t.Fatal(err)
		}
	}
	if least := int(time.Duration(len(l.events)) * 2 * shareFloor / (turnTime + 2*shareFloor)); turns < least {
		t.Errorf("%d turns, want at least %d", turns, least)
	}
	for fd := range l.sockets {
		if sys.read[fd] != 1 {
			t.Errorf("socket %d had %d turns", fd, sys.read[fd])
		}
	}
}

// The values below $SYS were worked out for each filter anew, and the whole program stopped
// for each: a SUBSCRIBE with 1,000 filters held everybody up.
func TestSysValuesServeAllWhoAskAtATime(t *testing.T) {
	b := start(t)
	first, again := b.sysRetained("$SYS/#"), b.sysRetained("$SYS/broker/#")
	if len(first) < 20 || len(again) != len(first) {
		t.Fatalf("%d and %d values", len(first), len(again))
	}
	for i := range first {
		if first[i] != again[i] {
			t.Fatalf("%s was worked out twice", first[i].topic)
		}
	}
	b.sys.at = b.sys.at.Add(-sysFresh)
	if later := b.sysRetained("$SYS/#"); later[0] == first[0] {
		t.Error("they are as old as they were")
	}
	c := connect(t, b, mqtt.Level311, "c")
	c.write(mqtt.AppendSubscribe(nil, 4, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: "$SYS/broker/version"}}}))
	c.frame(mqtt.SUBACK)
	if p := c.message(); !bytes.Contains(p.Payload, []byte("sensorgate version")) {
		t.Errorf("got %q", p.Payload)
	}
}

// chatter is a connection that always has something.
type chatter struct{ net.Conn }

func (chatter) Read(b []byte) (int, error) { return len(b), nil }

// Pings and empty fragments of a WebSocket never reach us: whoever sends nothing else lets the
// event loops have the processor all the same.
func TestConnectionsWithAGoroutineOfTheirOwnRest(t *testing.T) {
	c := &restConn{Conn: chatter{}}
	for range 100 {
		if n, err := c.Read(make([]byte, 4<<10)); n != 4<<10 || err != nil {
			t.Fatal(n, err)
		}
	}
	if c.rests < 100*4<<10*restPerByte/restAfter {
		t.Errorf("it rested %d times", c.rests)
	}
	for _, network := range []string{"tls", "ws", "wss"} {
		l := &listener{Listener: Listener{Network: network, Address: "127.0.0.1:0"}}
		if err := l.listen(t.Context(), poll.Kernel{}); err != nil {
			t.Fatal(err)
		}
		defer l.close()
		go func() { _, _ = net.Dial("tcp", l.addr().String()) }()
		nc, err := l.socket().Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if secure, ok := nc.(*tls.Conn); ok {
			nc = secure.NetConn()
		}
		if _, ok := nc.(*restConn); !ok {
			t.Errorf("%s: connections are %T", network, nc)
		}
	}
}

// Filters that the budget has no room for are refused each for itself, in one packet with others
// that fit: they bring nothing and take nothing.
func TestFiltersBeyondTheBudgetAreRefused(t *testing.T) {
	b := start(t, memory(16<<20))
	for level, refused := range map[byte]mqtt.Reason{mqtt.Level311: mqtt.Unspecified, mqtt.Level5: mqtt.QuotaExceeded} {
		id := fmt.Sprint("greedy", level)
		c := connect(t, b, level, id)
		before := sessionOf(b, id).account.Used()
		filters := make([]mqtt.Subscription, 200)
		names := make([]string, len(filters))
		for i := range filters {
			names[i] = fmt.Sprintf("%d/%d/%05000d", level, i, 1)
			filters[i].Filter = names[i]
		}
		c.write(mqtt.AppendSubscribe(nil, level, mqtt.Subscribe{ID: 1, Filters: filters}))
		_, codes, err := mqtt.ParseSuback(c.frame(mqtt.SUBACK), level)
		if err != nil || len(codes) != len(filters) || codes[0] != mqtt.Success || codes[len(codes)-1] != refused {
			t.Fatalf("level %d: %d codes from %v to %v, %v", level, len(codes), codes[0], codes[len(codes)-1], err)
		}
		granted := 0
		for i := range codes {
			if codes[i] != refused {
				granted++
			}
			_ = b.Publish(t.Context(), mqtt.Message{Topic: names[i], Payload: []byte(names[i][:8])}) // memory only: it is taken
			if codes[i] != refused {
				c.want(names[i], names[i][:8])
			}
		}
		c.ping() // and nothing more came
		c.write(mqtt.AppendUnsubscribe(nil, level, 2, names))
		c.frame(mqtt.UNSUBACK)
		s := sessionOf(b, id)
		s.mu.Lock()
		left := len(s.subs)
		s.mu.Unlock()
		if granted == 0 || granted > 120 || left != 0 {
			t.Errorf("level %d: %d granted, %d left", level, granted, left)
		}
		if used := sessionOf(b, id).account.Used(); used > before+64<<10 {
			t.Errorf("level %d: %d bytes are still charged", level, used-before)
		}
		c.disconnect()
	}
}

// A connection that was taken over and lingers is read from: what came for it woke its loop again
// and again otherwise, until it was closed.
func TestTakenOverConnectionThatLingersIsRead(t *testing.T) {
	sys := &slowSockets{read: map[int]int{}}
	l := &loop{b: create(t), sys: sys, buf: make([]byte, loopRead)}
	l.sockets = []*socket{{loop: l, lingering: true, lastRound: true}}
	l.event(&unix.EpollEvent{Events: unix.EPOLLIN})
	if sys.read[0] != 1 {
		t.Errorf("it was read from %d times", sys.read[0])
	}
}
