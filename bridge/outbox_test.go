package bridge

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// heldStore is a Store whose disk takes its time: a Put is on disk when the test says so.
type heldStore struct {
	*journal.Journal
	mu   sync.Mutex
	held []func(err error)
	hold bool
}

func (s *heldStore) Put(key string, value []byte, class journal.CommitClass, w journal.Waiter, token uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.hold || w == nil {
		s.Journal.Put(key, value, class, w, token)
		return
	}
	s.held = append(s.held, func(err error) {
		if err != nil {
			w.Committed(token, err)
			return
		}
		s.Journal.Put(key, value, class, w, token)
	})
}

func (s *heldStore) setHold(hold bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold = hold
}

// end ends the syncs that are under way, and reports how many there were.
func (s *heldStore) end(err error) int {
	s.mu.Lock()
	held := s.held
	s.held = nil
	s.mu.Unlock()
	for _, f := range held {
		f(err)
	}
	return len(held)
}

// exactGateway is a bridge with QoS 2 both ways whose first message is sent and whose
// second is released, and the upstream's side of it.
func exactGateway(t *testing.T) (*gateway, *heldStore, *peer, Options, []uint16) {
	j, err := journal.Open(journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &heldStore{Journal: j}
	o := options(mqtt.Level311, out("#", "#", 2))
	o.Store = s
	g, p := newGatewayOn(t, j, o), newPeer(t, mqtt.Level311)
	stop := p.serve(g)
	p.welcome(mqtt.Connack{})
	g.publish("a", "released", 1, false)
	g.publish("a", "sent", 1, false)
	released, _ := p.publish()
	sent, _ := p.publish()
	p.ack(mqtt.PUBREC, released.ID, 0)
	p.next(mqtt.PUBREL)
	g.bridge.SetOffline(true)
	stop()
	return g, s, p, o, []uint16{released.ID, sent.ID}
}

// K16: after a reconnect PUBREL and the repeated PUBLISH went out at once, while what makes
// them safe was only on its way to the disk. After a power cut the bridge sent the messages
// again under other identifiers, and gave theirs to new ones.
func TestReconnectDoesNotOvertakeTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s, p, o, ids := exactGateway(t)
		s.setHold(true)
		g = newGatewayOn(t, g.journal, o)
		stop := p.serve(g)
		p.welcome(mqtt.Connack{SessionPresent: true})
		p.idle(time.Second) // fails at any packet
		if s.end(nil) != 1 {
			t.Fatal("the bridge does not write its ledger after a reconnect")
		}
		a, _ := mqtt.ParseAck(p.next(mqtt.PUBREL), p.level)
		m, _ := p.publish()
		if a.ID != ids[0] || m.ID != ids[1] || !m.Dup {
			t.Errorf("PUBREL %d, PUBLISH %d (dup %v), want %d and %d again", a.ID, m.ID, m.Dup, ids[0], ids[1])
		}
		p.ack(mqtt.PUBREC, m.ID, 0)
		p.idle(time.Second) // the first PUBREL waits for the disk as well
		s.end(nil)
		p.next(mqtt.PUBREL)
		s.setHold(false)
		g.bridge.SetOffline(true)
		stop()
	})
}

// A journal that is full does not take the ledger: nothing of QoS 2 leaves until it does.
func TestFullJournalHoldsExactlyOnceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s, p, o, ids := exactGateway(t)
		s.setHold(true)
		g = newGatewayOn(t, g.journal, o)
		stop := p.serve(g)
		p.welcome(mqtt.Connack{SessionPresent: true})
		p.idle(100 * time.Millisecond)
		for range 3 {
			if n := s.end(errors.New("full")); n != 1 {
				t.Fatalf("%d writes of the ledger in a second, want 1", n)
			}
			p.idle(saveRetry + 100*time.Millisecond)
		}
		s.end(nil)
		if a, _ := mqtt.ParseAck(p.next(mqtt.PUBREL), p.level); a.ID != ids[0] {
			t.Errorf("PUBREL %d, want %d", a.ID, ids[0])
		}
		p.publish()
		s.setHold(false)
		g.bridge.SetOffline(true)
		stop()
	})
}

// One place makes the packets that make an upstream forget, and one writes them: nothing
// can leave past the ledger on a path that nobody thought of.
func TestOnePlaceMakesPackets(t *testing.T) {
	makers := map[string][]string{
		"AppendPublish": {"publish"}, "AppendAck": {"acknowledge"}, "AppendSubscribe": {"subscribe"},
		"AppendDisconnect": {"disconnect"}, "AppendConnect": {"handshake"},
		"Write": {"flush", "handshake", "dialWebSocket", "topicSum"}, // to connections, and to a hash
		"ready": {"flush", "encode", "send"},
	}
	set := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				in := makers[s.Sel.Name]
				switch {
				case in == nil, name == "outbox.go", name == "echo.go", name == "websocket.go":
				case s.Sel.Name == "staged" || !slices.Contains(in, fn.Name.Name):
					t.Errorf("%s: %s uses %s: packets are made by outbox alone, see its comment", set.Position(s.Pos()), fn.Name.Name, s.Sel.Name)
				}
				return true
			})
		}
	}
}

// What went out live and is repeated after a restart is not late: it would come out of order
// among the late ones, whose elders still wait in the backlog.
func TestRepeatedLiveMessageIsNotLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _, p, o, ids := exactGateway(t)
		g = newGatewayOn(t, g.journal, o)
		g.bridge.opt.Late.Topic = "late/"
		stop := p.serve(g)
		p.welcome(mqtt.Connack{SessionPresent: true})
		p.next(mqtt.PUBREL)
		if m, _ := p.publish(); m.ID != ids[1] || string(m.Topic) != "a" {
			t.Errorf("repeated as %s (id %d), want a (id %d) as it went out first", m.Topic, m.ID, ids[1])
		}
		g.bridge.SetOffline(true)
		stop()
	})
}

// behindABacklog is a bridge whose backlog has the retained message of a door and does not get
// on, with a disk that takes its time from now on. stop ends both.
func behindABacklog(t *testing.T) (g *gateway, s *heldStore, p *peer, stop func()) {
	t.Helper()
	j, err := journal.Open(journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s = &heldStore{Journal: j}
	o := options(mqtt.Level311, out("#", "#", 1))
	o.Store, o.Backlog.Messages = s, 0.01
	g, p = newGatewayOn(t, j, o), newPeer(t, mqtt.Level311)
	g.publish("first", "", 1, false) // takes the burst
	g.publish("door", "open", 1, true)
	served := p.serve(g)
	p.welcome(mqtt.Connack{})
	p.takes("first", "")
	s.setHold(true)
	return g, s, p, func() {
		s.setHold(false)
		g.bridge.SetOffline(true)
		served()
	}
}

// A retained message that overtakes the backlog must not leave before the journal knows that
// it did: after a power cut the older one of its topic would be retained at the upstream.
func TestRetainedLiveDoesNotOvertakeTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s, p, stop := behindABacklog(t)
		g.publish("door", "closed", 1, true)
		p.idle(time.Second)
		if s.end(nil) == 0 {
			t.Error("nothing is written before the message leaves")
		}
		p.takes("door", "closed")
		g.publish("door", "open again", 1, true) // that much is known now
		p.takes("door", "open again")
		stop()
	})
}

// What follows on the topic of a message that waits for the disk waits behind it, whatever
// becomes of the write; other topics do not.
func TestNothingOvertakesWhatWaitsForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s, p, stop := behindABacklog(t)
		g.publish("door", "closed", 1, true)
		g.publish("door", "locked", 1, false) // staged with it, or while it is written
		p.idle(time.Second)
		g.publish("door", "bolted", 1, false) // while it is written
		g.publish("window", "open", 1, false)
		p.takes("window", "open")
		if s.end(errors.New("full")) == 0 {
			t.Fatal("nothing is written")
		}
		p.idle(saveRetry / 2)
		g.publish("door", "barred", 1, false) // before it is tried again
		p.idle(saveRetry)
		for s.end(nil) > 0 {
			synctest.Wait()
		}
		for _, want := range []string{"closed", "locked", "bolted", "barred"} {
			p.takes("door", want)
		}
		g.publish("door", "ajar", 1, false) // nothing is held any more
		p.takes("door", "ajar")
		stop()
	})
}

// The PUBACK of what our broker has stored waits for the disk, also when the sender looks for
// acknowledgements at that very moment.
func TestStoredAcknowledgementNeverPassesTheSender(t *testing.T) {
	o := outbox{level: mqtt.Level311}
	const n = 20_000
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range n {
			o.acknowledgeStored(uint16(i + 1))
		}
	}()
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		default:
		}
		o.collect()
		if len(o.ready) > 0 {
			t.Fatalf("% x leaves without the disk", o.ready)
		}
		o.staged = o.staged[:0] // on disk, and sent
	}
}

// Packet identifiers wrap at 65,535, never to 0, and not onto one that is still in use.
func TestPacketIDsWrap(t *testing.T) {
	for _, qos := range []byte{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			j, err := journal.Open(journal.Options{})
			if err != nil {
				t.Fatal(err)
			}
			o := options(mqtt.Level311, out("#", "#", qos))
			o.Store = j
			g, p := newGatewayOn(t, j, o), newPeer(t, mqtt.Level311)
			g.bridge.packets = 65530
			stop := p.serve(g)
			p.welcome(mqtt.Connack{})
			open := map[uint16]bool{}
			for i := range 40 {
				g.publish("a", strconv.Itoa(i), 1, false)
				m, _ := p.publish()
				if m.ID == 0 || open[m.ID] || string(m.Payload) != strconv.Itoa(i) {
					t.Fatalf("message %d came as %s with the identifier %d", i, m.Payload, m.ID)
				}
				if open[m.ID] = true; i%4 == 0 { // the others stay open for a while
					continue
				}
				if qos == 1 {
					p.ack(mqtt.PUBACK, m.ID, 0)
				} else {
					p.ack(mqtt.PUBREC, m.ID, 0)
					p.next(mqtt.PUBREL)
					p.ack(mqtt.PUBCOMP, m.ID, 0)
				}
				delete(open, m.ID)
			}
			g.bridge.SetOffline(true)
			stop()
		})
	}
}
