package broker

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"sensorgate/internal/disk"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// The rule of these tests: a packet that makes somebody forget leaves only after what
// makes it safe is on disk, also over a reconnect within one sync. The disk's syncs are
// held up by a gate.

// gate is a file system whose syncs wait while it is closed.
type gate struct {
	disk.FS
	mu     sync.Mutex
	closed chan struct{} // nil while open
}

func (g *gate) OpenFile(name string, flag int) (disk.File, error) {
	f, err := g.FS.OpenFile(name, flag)
	return gatedFile{f, g}, err
}

type gatedFile struct {
	disk.File
	g *gate
}

func (f gatedFile) Sync() error {
	f.g.mu.Lock()
	closed := f.g.closed
	f.g.mu.Unlock()
	if closed != nil {
		<-closed
	}
	return f.File.Sync()
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed != nil {
		close(g.closed)
		g.closed = nil
	}
}

func startGated(t *testing.T) (*Broker, *gate) {
	t.Helper()
	g := &gate{FS: disk.OS{}}
	j, err := journal.Open(journal.Options{Dir: t.TempDir(), Size: 64 << 20, FreeFloor: 1, SeqStep: SeqStep, FS: g})
	if err != nil {
		t.Fatal(err)
	}
	runJournal(t, j)
	b := start(t, func(o *Options) { o.Journal, o.settleLimit = j, time.Minute })
	t.Cleanup(g.open)
	return b, g
}

func (b *Broker) setSettleLimit(d time.Duration) {
	o := *b.limits()
	o.settleLimit = d
	b.opt.Store(&o)
}

// quiet wants that nothing but a PINGRESP comes: all that was asked before is handled then.
func (c *client) quiet(what string) {
	c.t.Helper()
	c.write([]byte{0xc0, 0})
	if f := c.any(); mqtt.Type(f[0]>>4) != mqtt.PINGRESP {
		c.t.Errorf("%s: %s came before the disk had what makes it safe", what, mqtt.Type(f[0]>>4))
	}
}

// any returns the next packet, whatever it is.
func (c *client) any() []byte {
	c.t.Helper()
	_ = c.nc.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		if f, need, err := mqtt.NextFrame(c.have, 1<<20); err != nil {
			c.t.Fatal(err)
		} else if f.Raw != nil {
			raw := c.have[:need]
			c.have = c.have[need:]
			return raw
		}
		rest := append([]byte(nil), c.have...)
		n, err := c.nc.Read(c.buf[:])
		if err != nil {
			c.t.Fatal(err)
		}
		c.have = append(rest, c.buf[:n]...)
	}
}

// silent wants that nothing comes for a moment.
func (c *client) silent(what string) {
	c.t.Helper()
	_ = c.nc.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	n, err := c.nc.Read(c.buf)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("%s: % x, %v came before the disk had what makes it safe", what, c.buf[:n], err)
	}
}

// receivedWhileClosed has a persistent session answer a message of QoS 2 with PUBREC, which the
// disk does not take before the gate opens.
func receivedWhileClosed(t *testing.T) (b *Broker, g *gate, sub *client, m mqtt.Publish) {
	t.Helper()
	b, g = startGated(t)
	sub = connect(t, b, mqtt.Level5, "sub", persistent)
	sub.subscribe("q", 2)
	pub := connect(t, b, mqtt.Level5, "pub")
	pub.write(mqtt.AppendPublish(nil, pub.level, 2<<1, "q", 1, nil, []byte("x")))
	pub.frame(mqtt.PUBREC)
	m = sub.message()
	g.close()
	sub.write(mqtt.AppendAck(nil, mqtt.PUBREC, sub.level, m.ID, mqtt.Success))
	sub.quiet("PUBREC")
	return b, g, sub, m
}

// K8, K17: PUBREC, then a reconnect within one sync.
func TestPubrelAfterAReconnectWaitsForTheDisk(t *testing.T) {
	b, g, sub, m := receivedWhileClosed(t)
	sub.write(mqtt.AppendAck(nil, mqtt.PUBREC, sub.level, m.ID, mqtt.Success))
	sub.quiet("PUBREC twice")
	_ = sub.nc.Close()
	again := connect(t, b, mqtt.Level5, "sub", persistent)
	again.quiet("after a reconnect")
	g.open()
	if a, err := mqtt.ParseAck(again.frame(mqtt.PUBREL), again.level); err != nil || a.ID != m.ID {
		t.Errorf("PUBREL of %d: %v, %v", m.ID, a, err)
	}
	again.write(mqtt.AppendAck(nil, mqtt.PUBCOMP, again.level, m.ID, mqtt.Success))
	again.ping()
}

// After a reconnect within a sync the record stays in the queue until the disk knows of its
// PUBREC: of a commit that a power cut has torn the queue's position may be there without the rest.
func TestRecordStaysInTheQueueUntilItsPubrecIsOnDisk(t *testing.T) {
	b, g, sub, m := receivedWhileClosed(t)
	_ = sub.nc.Close()
	again := connect(t, b, mqtt.Level5, "sub", persistent)
	again.quiet("after a reconnect")
	b.mu.Lock()
	queue := b.sessions["sub"].queue
	b.mu.Unlock()
	if n := queue.Stats().Waiting; n != 1 {
		t.Errorf("%d records wait before the disk knows of the PUBREC, want 1", n)
	}
	g.open()
	again.frame(mqtt.PUBREL)
	if n := queue.Stats().Waiting; n != 0 {
		t.Errorf("%d records wait after PUBREL, want none", n)
	}
	again.write(mqtt.AppendAck(nil, mqtt.PUBCOMP, again.level, m.ID, mqtt.Success))
	again.ping()
}

// K18: PUBREL, a reconnect, PUBREL again.
func TestPubcompAfterAReconnectWaitsForTheDisk(t *testing.T) {
	b, g := startGated(t)
	connect(t, b, mqtt.Level5, "sub", persistent).subscribe("q", 2)
	pub := connect(t, b, mqtt.Level5, "pub", persistent)
	pub.write(mqtt.AppendPublish(nil, pub.level, 2<<1, "q", 7, nil, []byte("x")))
	pub.frame(mqtt.PUBREC)
	g.close()
	pub.write(mqtt.AppendAck(nil, mqtt.PUBREL, pub.level, 7, mqtt.Success))
	pub.quiet("PUBREL")
	_ = pub.nc.Close()
	again := connect(t, b, mqtt.Level5, "pub", persistent)
	again.write(mqtt.AppendAck(nil, mqtt.PUBREL, again.level, 7, mqtt.Success))
	again.quiet("PUBREL again")
	g.open()
	again.frame(mqtt.PUBCOMP)
}

// K21: a retained message is cleared, and cleared again after a reconnect.
func TestClearingARetainedMessageWaitsForTheDisk(t *testing.T) {
	b, g := startGated(t)
	pub := connect(t, b, mqtt.Level5, "pub")
	pub.write(mqtt.AppendPublish(nil, pub.level, 1<<1|1, "r", 1, nil, []byte("x")))
	pub.frame(mqtt.PUBACK)
	g.close()
	empty := mqtt.AppendPublish(nil, pub.level, 1<<1|1, "r", 2, nil, nil)
	pub.write(empty)
	pub.quiet("clear")
	_ = pub.nc.Close()
	again := connect(t, b, mqtt.Level5, "pub")
	again.write(empty)
	again.quiet("clear again")
	g.open()
	again.frame(mqtt.PUBACK)
}

// K21: a clean start ends a session; a durable session begins; both stand in CONNACK.
func TestConnackWaitsForTheDisk(t *testing.T) {
	b, g := startGated(t)
	connect(t, b, mqtt.Level5, "old", persistent).disconnect()
	g.close()
	fresh, clean := dial(t, b, mqtt.Level5), dial(t, b, mqtt.Level5)
	con := &mqtt.Connect{Level: mqtt.Level5, ClientID: "new"}
	persistent(con)
	fresh.write(mqtt.AppendConnect(nil, con))
	clean.write(mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level5, ClientID: "old", CleanStart: true}))
	fresh.silent("a new durable session")
	clean.silent("a clean start")
	// One that is taken over before it was answered: nor does the next one hear of it.
	next := dial(t, b, mqtt.Level5)
	next.write(mqtt.AppendConnect(nil, con))
	next.silent("a take-over within one sync")
	g.open()
	for what, c := range map[string]*client{"clean": clean, "next": next} {
		if a, err := mqtt.ParseConnack(c.frame(mqtt.CONNACK), mqtt.Level5); err != nil || a.Reason != mqtt.Success || what == "clean" && a.SessionPresent {
			t.Errorf("%s: %+v, %v", what, a, err)
		}
	}
}

// A session that is on disk is answered at once, however busy the disk may be.
func TestKnownSessionDoesNotWaitForTheDisk(t *testing.T) {
	b, g := startGated(t)
	connect(t, b, mqtt.Level5, "s", persistent).disconnect()
	g.close()
	c := dial(t, b, mqtt.Level5)
	if !c.handshake("s", persistent).SessionPresent {
		t.Error("the session is not present")
	}
	g.open()
}

// A client gives up twice while the disk is busy: first it wanted to resume, then a clean
// start, then to resume. The last one is the one that it is heard with; the clean start,
// which was not answered, must not take it over.
func TestNewestOfSeveralWaitingConnectsWins(t *testing.T) {
	b, g := startGated(t)
	g.close()
	type trio struct{ clean, last *client }
	var all []trio
	for i := range 20 {
		id := "waiting" + string(rune('a'+i))
		open := func(clean bool) *client {
			c := dial(t, b, mqtt.Level311)
			c.write(mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level311, ClientID: id, CleanStart: clean}))
			remote := c.nc.LocalAddr().String()
			waitFor(t, "CONNECT is not seen", func() bool {
				b.mu.Lock()
				defer b.mu.Unlock()
				if s := b.sessions[id]; s != nil && s.owner != nil && s.owner.remote == remote {
					return true
				}
				return b.claims[id] != nil && b.claims[id].remote == remote
			})
			return c
		}
		open(false)
		all = append(all, trio{open(true), open(false)})
	}
	g.open()
	for i, c := range all {
		if a, err := mqtt.ParseConnack(c.last.frame(mqtt.CONNACK), mqtt.Level311); err != nil || a.Reason != mqtt.Success || !a.SessionPresent {
			t.Errorf("%d: the last CONNECT is answered with %+v, %v; want the session that the first one made", i, a, err)
		}
		c.last.ping()
		_ = c.clean.nc.SetReadDeadline(time.Now().Add(30 * time.Second))
		if n, err := c.clean.nc.Read(c.clean.buf); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%d: the clean start that was given up got % x, %v; want the end", i, c.clean.buf[:n], err)
		}
	}
}

// A disk that does not answer: CONNECT of a new persistent session is refused after a while,
// and counted. With the disk the client is back.
func TestConnectIsRefusedWhenTheDiskDoesNotAnswer(t *testing.T) {
	b, g := startGated(t)
	g.close()
	b.setSettleLimit(50 * time.Millisecond)
	c := dial(t, b, mqtt.Level5)
	con := &mqtt.Connect{Level: mqtt.Level5, ClientID: "new"}
	persistent(con)
	c.write(mqtt.AppendConnect(nil, con))
	if a, err := mqtt.ParseConnack(c.frame(mqtt.CONNACK), mqtt.Level5); err != nil || a.Reason != mqtt.ServerUnavailable {
		t.Errorf("%+v, %v; want server unavailable", a, err)
	}
	if n := b.Stats().RefusedDisk; n != 1 {
		t.Errorf("%d connections counted as refused for the disk, want 1", n)
	}
	g.open()
	b.setSettleLimit(time.Minute)
	waitFor(t, "the client does not come in", func() bool {
		again := dial(t, b, mqtt.Level5)
		again.write(mqtt.AppendConnect(nil, con))
		a, err := mqtt.ParseConnack(again.frame(mqtt.CONNACK), mqtt.Level5)
		return err == nil && a.Reason == mqtt.Success
	})
}

// Refused because the disk does not answer, and tried again: the second CONNECT must not be
// told what the first one waited for without success.
func TestSecondConnectWaitsForWhatTheFirstWaitedFor(t *testing.T) {
	b, g := startGated(t)
	connect(t, b, mqtt.Level311, "old", persistent).disconnect()
	g.close()
	b.setSettleLimit(50 * time.Millisecond)
	for _, id := range []string{"new", "old"} {
		for try := range 2 {
			c := dial(t, b, mqtt.Level311)
			c.write(mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level311, ClientID: id, CleanStart: id == "old"}))
			a, err := mqtt.ParseConnack(c.frame(mqtt.CONNACK), mqtt.Level311)
			if err != nil || a.Reason == mqtt.Success {
				t.Errorf("%s, try %d: %+v, %v; the disk has not taken it", id, try, a, err)
			}
		}
	}
	g.open()
}

// expireWhileClosed has the session of a client, who subscribes to q, expire while the disk takes nothing.
func expireWhileClosed(t *testing.T) (b *Broker, g *gate, s *session) {
	t.Helper()
	b, g = startGated(t)
	sub := connect(t, b, mqtt.Level5, "sub", persistent)
	sub.subscribe("q", 1)
	sub.disconnect()
	waitFor(t, "the connection has ended", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		s = b.sessions["sub"]
		return s.owner == nil
	})
	g.close()
	s.mu.Lock()
	s.expiry, s.gone = 1, time.Now().Add(-time.Hour)
	s.mu.Unlock()
	b.due(s)
	return b, g, s
}

func (b *Broker) hasSession(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sessions[id] != nil
}

// A session that has expired gets its messages until the disk knows of its end: a power cut would
// bring it back, and what had been acknowledged meanwhile was missing.
func TestExpiredSessionGetsItsMessagesUntilTheDiskKnows(t *testing.T) {
	b, g, s := expireWhileClosed(t)
	if err := b.Publish(t.Context(), mqtt.Message{Topic: "q", Payload: []byte("x"), QoS: 1}); err != nil {
		t.Fatal(err)
	}
	if n := s.queue.Stats().Waiting; n != 1 || !b.hasSession("sub") {
		t.Errorf("%d messages wait for a session that would be back after a power cut, want 1", n)
	}
	g.open()
	waitFor(t, "the session has ended", func() bool { return !b.hasSession("sub") })
}

// Who comes back while the end of its session is on its way to the disk finds it, as soon as the disk
// knows that it goes on.
func TestClientIsBackBeforeTheDiskKnowsOfItsEnd(t *testing.T) {
	b, g, _ := expireWhileClosed(t)
	again := dial(t, b, mqtt.Level5)
	con := &mqtt.Connect{Level: mqtt.Level5, ClientID: "sub"}
	persistent(con)
	again.write(mqtt.AppendConnect(nil, con))
	again.silent("CONNACK of a session that the disk takes for expired")
	g.open()
	if a, err := mqtt.ParseConnack(again.frame(mqtt.CONNACK), mqtt.Level5); err != nil || !a.SessionPresent {
		t.Errorf("%+v, %v: want the session present", a, err)
	}
	again.ping()
	if value, ok := b.journal.Get(keySession + "sub"); !ok || strings.Contains(string(value), `"ended":true`) || !b.hasSession("sub") {
		t.Errorf("the session is %s on disk while its client is connected", value)
	}
}

// One that the disk takes for expired is not there at the next start.
func TestSessionOfWhichOnlyTheEndIsOnDiskIsNotRestored(t *testing.T) {
	b, _ := startGated(t)
	b.journal.Put(keySession+"sub", []byte(`{"expiry":4294967295,"ended":true,"subs":[{"filter":"q","options":1}]}`), journal.Event, nil, 0)
	if err := b.restoreSessions(); err != nil || b.hasSession("sub") {
		t.Errorf("a session that had expired is back: %v", err)
	}
	if n := len(b.journal.Keys(keySession)); n != 0 {
		t.Errorf("%d sessions are on disk", n)
	}
}
