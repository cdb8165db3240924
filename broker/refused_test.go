package broker

import (
	"bytes"
	"fmt"
	"testing"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// What one client has no room for is refused, with the code that its protocol has for it, and
// the client next to it does not notice. Each row is one kind of what clients make us remember
// (K3); TestAccountAgreesWithTheHeap holds that it is charged for what it takes.
func TestWhatAClientHasNoRoomForIsRefused(t *testing.T) {
	const limit, share = 8 << 20, 1 << 20
	ends := func(t *testing.T, c *client) {
		t.Helper()
		d, err := mqtt.ParseDisconnect(c.frame(mqtt.DISCONNECT), mqtt.Level5)
		if err != nil || d.Reason != mqtt.QuotaExceeded {
			t.Errorf("it ends with %v %v, want 0x97", d.Reason, err)
		}
	}
	for name, attack := range map[string]func(t *testing.T, b *Broker, c *client){
		"aliases": func(t *testing.T, b *Broker, c *client) {
			for i := range 64 {
				topic := fmt.Sprintf("%d/%060000d", i, 1)
				if _, err := c.nc.Write(mqtt.AppendPublish(nil, mqtt.Level5, 0, topic, 0, mqtt.AppendTopicAlias(nil, uint16(i+1)), nil)); err != nil {
					break // it is closed
				}
			}
			ends(t, c)
		},
		"retained": func(t *testing.T, b *Broker, c *client) {
			kept := 0
			for i := range 30 {
				id := uint16(i + 1)
				c.write(mqtt.AppendPublish(nil, mqtt.Level5, mqtt.PublishFlags(1, false, true), fmt.Sprint("r/", i), id, nil, make([]byte, 60_000)))
				a, err := mqtt.ParseAck(c.frame(mqtt.PUBACK), mqtt.Level5)
				switch {
				case err != nil || a.ID != id:
					t.Fatal(a, err)
				case a.Reason < mqtt.Unspecified:
					kept++
				case a.Reason != mqtt.QuotaExceeded:
					t.Fatal(a.Reason)
				}
			}
			if n := b.Stats().Retained; kept != n || kept < 5 || kept > share/60_000 {
				t.Errorf("%d of 30 messages of 60 KB acknowledged, %d retained", kept, n)
			}
		},
		"a packet that does not end": func(t *testing.T, b *Broker, c *client) {
			packet := mqtt.AppendPublish(nil, mqtt.Level5, 0, "x", 0, nil, make([]byte, 1_900_000))
			_, _ = c.nc.Write(packet[:1_800_000]) // it may be closed meanwhile
			ends(t, c)
		},
		"what waits for a reader that acknowledges nothing": func(t *testing.T, b *Broker, c *client) {
			c.subscribe("q", 1)
			payload := make([]byte, 50_000)
			for i := 0; b.count.slowClosed.Load() == 0; i++ {
				if i == 2000 {
					t.Fatal("100 MB wait for it")
				}
				_ = b.Publish(t.Context(), mqtt.Message{Topic: "q", QoS: 1, Payload: payload}) // memory only: it is taken
			}
			if used := b.memory.Used(); used > limit {
				t.Errorf("%d bytes are used of %d", used, limit)
			}
		},
	} {
		for _, network := range []string{"tcp", "ws"} {
			t.Run(name+"/"+network, func(t *testing.T) {
				b := start(t, memory(limit), listening(testListener(t, network)))
				good := dialNetwork(t, b, network, mqtt.Level311)
				good.handshake("good")
				good.subscribe("good", 0)
				c := dialNetwork(t, b, network, mqtt.Level5)
				c.handshake("greedy")
				attack(t, b, c)
				good.publish("good", "still here", 0, 0)
				good.want("good", "still here")
			})
		}
	}
}

// A client of MQTT 5 that has used up its share and goes on with long packets is sent away once,
// and is read from until it has closed: the end of its connection came twice, and that was the end
// of the program.
func TestLongPacketsOfWhoHasUsedUpItsShare(t *testing.T) {
	b := start(t, memory(8<<20))
	good := connect(t, b, mqtt.Level311, "good")
	for round := range 5 {
		c := connect(t, b, mqtt.Level5, "greedy")
		long := mqtt.AppendPublish(nil, c.level, mqtt.PublishFlags(0, false, true), "x", 0, nil, make([]byte, 200_000))
		for i := range 60 {
			_, _ = c.nc.Write(mqtt.AppendPublish(nil, c.level, mqtt.PublishFlags(0, false, true), fmt.Sprint("r/", round, "/", i), 0, nil, make([]byte, 30_000))) // it may be closed meanwhile
		}
		for range 10 {
			_, _ = c.nc.Write(long) // the same
			good.ping()
		}
		d, err := mqtt.ParseDisconnect(c.frame(mqtt.DISCONNECT), mqtt.Level5)
		if err != nil || d.Reason != mqtt.QuotaExceeded {
			t.Fatalf("it ends with %v %v, want 0x97", d.Reason, err)
		}
		_ = c.nc.Close()
	}
	good.ping()
}

// A CONNECT that is long is refused when all that wait have no more room together; those of
// usual length still come in.
func TestLongConnectsBeyondTheBudgetAreRefused(t *testing.T) {
	const limit = 8 << 20
	b := start(t, memory(limit))
	long := mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level5, ClientID: string(bytes.Repeat([]byte("x"), 65_000)), CleanStart: true})
	var open []*client
	for range 60 { // half of each is more than an eighth of the limit, with what the buffers round up to
		c := dial(t, b, mqtt.Level5)
		_, _ = c.nc.Write(long[:60_000]) // it may be refused meanwhile
		open = append(open, c)
	}
	waitFor(t, "some are refused", func() bool { return b.Stats().RefusedFor[3] > 0 })
	if used := b.memory.Used(); used > limit/4 {
		t.Errorf("%d bytes are used by CONNECTs that have not come", used)
	}
	connect(t, b, mqtt.Level311, "usual").ping()
	for _, c := range open {
		_ = c.nc.Close()
	}
}

// What is noted of messages until they are acknowledged is charged: a client that acknowledges
// nothing gets no more of them than the budget has room for.
func TestUnacknowledgedMessagesAreBounded(t *testing.T) {
	b := create(t, memory(1<<20))
	s := &session{b: b, id: "s", account: b.memory.Client("", "s"), window: 60_000}
	s.conn = &conn{b: b, account: s.account, session: s}
	n := 0
	for ; s.maySendLocked(); n++ {
		if n == maxInflightSpan {
			t.Fatalf("%d are noted, with %d bytes of %d", n, s.account.Used(), 1<<20)
		}
		s.sentLocked(sentMessage{id: uint16(n + 1), qos: 1})
	}
	if used := s.account.Used(); n < firstInflight || used > 1<<20/8 || used < int64(n)*inflightCost {
		t.Errorf("%d are noted, %d bytes are charged", n, used)
	}
	s.doneLocked(s.inflight.find(1))
	if !s.maySendLocked() {
		t.Error("one is acknowledged, and no other may be sent")
	}
}

// What clients that only connect have in the journal, wills and filters too, leaves room for what
// is published: no more of it than a sixth of the journal.
func TestWillsAndFiltersLeaveRoomInTheJournal(t *testing.T) {
	const size = 1 << 20
	j, err := journal.Open(journal.Options{Dir: t.TempDir(), Size: size, SegmentSize: 64 << 10, FreeFloor: 1, SeqStep: SeqStep})
	if err != nil {
		t.Fatal(err)
	}
	b := start(t, func(o *Options) { o.Journal = runJournal(t, j) })
	connect(t, b, mqtt.Level5, "kept", persistent).subscribe("t", 1)
	for i := range 30 {
		connect(t, b, mqtt.Level5, fmt.Sprint("will", i), func(c *mqtt.Connect) { c.Will = &mqtt.Will{Topic: "w", Payload: make([]byte, 10_000)} })
	}
	if n := b.onDisk.sessions.Load(); n > size/6 || n < size/12 {
		t.Errorf("wills take %d bytes of a journal of %d", n, size)
	}
	if n := b.Stats().DroppedFull; n == 0 {
		t.Error("no will is counted that is only in memory")
	}
	greedy := connect(t, b, mqtt.Level5, "greedy", persistent)
	refused := 0
	for i := range 200 {
		greedy.write(mqtt.AppendSubscribe(nil, greedy.level, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: fmt.Sprintf("%01000d", i)}}}))
		_, codes, err := mqtt.ParseSuback(greedy.frame(mqtt.SUBACK), greedy.level)
		if err != nil {
			t.Fatal(err)
		}
		if codes[0] == mqtt.QuotaExceeded {
			refused++
		}
	}
	if n := b.onDisk.sessions.Load(); n > size/6 || refused == 0 || refused == 200 {
		t.Errorf("with filters they take %d bytes of a journal of %d, %d filters of 200 were refused", n, size, refused)
	}
	pub := connect(t, b, mqtt.Level5, "pub")
	for i := range uint16(500) {
		pub.publish("t", "a message for who is kept", 1, i+1)
		pub.wantAck(mqtt.PUBACK, i+1)
	}
}
