package bridge

import (
	"encoding/binary"
	"errors"
	"sort"
	"sync"
	"sync/atomic"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/varint"
)

// ledger is the part of the session with the upstream that must outlive the process for
// QoS 2: which packet identifiers are in use, for which record, and how far they got
// (4.1, session state of the client).
//
// The order of steps is what makes it exactly once:
//
//	publish:   ledger on disk (sent)     → PUBLISH
//	PUBREC:    ledger on disk (released) → PUBREL
//	PUBCOMP:   record off the spool      → later: entry off the ledger
//	PUBLISH in: our broker has it, record and ledger on disk (taken) → PUBREC
//	PUBREL in:  record and ledger on disk (no longer taken)          → PUBCOMP
//
// The record of a PUBLISH that came in remembers its packet id itself (Options.Inbound):
// what is cut between it and the ledger is still known.
//
// The sender collects packets that wait for the ledger and writes it once for all of
// them, see outbox.settle.
type ledger struct {
	store Store // nil: the session does not outlive the connection
	disk  Store // the same, also where no session is kept; nil: nothing outlives the process
	key   string
	wake  chan struct{} // a write reached the disk

	written atomic.Uint64 // token of the newest write that did
	refused atomic.Uint64 // token of the newest write that the journal did not take

	mu    sync.Mutex
	out   map[uint16]exact
	in    map[uint16]journal.Seq // taken, and their PUBREL not yet seen; the record that remembers it, or 0
	token uint64
}

type exact struct {
	seq    journal.Seq
	rule   int
	state  exactState
	stream streamID // in which it was sent first: repeated, it is as late as it was then
}

// exactLive marks a state byte of the stored ledger: sent in the live stream.
const exactLive = 0x80

type exactState uint8

const (
	exactSent     exactState = iota // the upstream may have it
	exactReleased                   // the upstream has it, PUBREL may be on its way
	exactDone                       // complete, but other rules still send the same record
)

func newLedger(store Store, bridge string) (*ledger, error) {
	g := &ledger{
		store: store, key: "bridge/" + bridge + "/qos2",
		wake: make(chan struct{}, 1),
		out:  make(map[uint16]exact),
		in:   make(map[uint16]journal.Seq),
	}
	if store == nil {
		return g, nil
	}
	value, ok := store.Get(g.key)
	if !ok {
		return g, nil
	}
	return g, g.parse(value)
}

// save begins to write the ledger and returns the token of the write. Without a session that
// is kept it writes only if it must, for what was put into the journal before.
func (g *ledger) save(must bool) uint64 {
	g.mu.Lock()
	g.token++
	token := g.token
	value := g.appendLocked(nil)
	g.mu.Unlock()
	store := g.store
	if store == nil && must {
		store = g.disk
	}
	if store == nil {
		g.Committed(token, nil)
		return token
	}
	store.Put(g.key, value, journal.Event, g, token)
	return token
}

// Committed is called by the journal. A journal that is full or failed cannot keep the
// promise, so what waits for this write goes on waiting, and the journal reports itself.
func (g *ledger) Committed(token uint64, err error) {
	newest := &g.written
	if err != nil {
		newest = &g.refused
	}
	for {
		old := newest.Load()
		if old >= token || newest.CompareAndSwap(old, token) {
			break
		}
	}
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// sent notes a publication that is about to leave.
func (g *ledger) sent(id uint16, seq journal.Seq, rule int, stream streamID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.out[id] = exact{seq, rule, exactSent, stream}
}

// received notes a PUBREC.
func (g *ledger) received(id uint16) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e, ok := g.out[id]; ok && e.state == exactSent {
		e.state = exactReleased
		g.out[id] = e
	}
}

// complete notes a PUBCOMP, or a PUBREC that refuses.
func (g *ledger) complete(id uint16) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e, ok := g.out[id]; ok {
		e.state = exactDone
		g.out[id] = e
	}
}

// uses reports whether a packet identifier is not free.
func (g *ledger) uses(id uint16) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, ok := g.out[id]
	return ok
}

// newest is the highest packet identifier in use, 0 if none is.
func (g *ledger) newest() (id uint16) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for used := range g.out {
		id = max(id, used)
	}
	return id
}

// left forgets all about records that are off the spool.
func (g *ledger) left(seqs []journal.Seq) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.out) == 0 {
		return
	}
	gone := make(map[journal.Seq]struct{}, len(seqs))
	for _, s := range seqs {
		gone[s] = struct{}{}
	}
	for id, e := range g.out {
		if _, ok := gone[e.seq]; ok && e.state == exactDone {
			delete(g.out, id)
		}
	}
}

// lostSession returns the records to acknowledge: the upstream remembers nothing, so what it had not completed starts
// anew. That is at least once; nobody can do better then.
func (g *ledger) lostSession() (seqs []journal.Seq) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, seq := range g.in {
		if seq != 0 {
			seqs = append(seqs, seq)
		}
	}
	clear(g.in)
	for id, e := range g.out {
		if e.state != exactDone {
			delete(g.out, id)
		}
	}
	return seqs
}

// open returns the entries that the upstream must be asked about, in the order of their
// records: the order of resending is the order of sending [MQTT-4.6.0-1].
func (g *ledger) open() []openExact {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []openExact
	for id, e := range g.out {
		if e.state != exactDone {
			all = append(all, openExact{id, e})
		}
	}
	sort.Slice(all, func(i, k int) bool {
		a, b := &all[i], &all[k]
		return a.seq < b.seq || a.seq == b.seq && a.rule < b.rule
	})
	return all
}

type openExact struct {
	id uint16
	exact
}

// take notes that our broker has a message.
func (g *ledger) take(id uint16, seq journal.Seq) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.in[id] = seq
}

// restore takes from the queue of records what our broker had when the previous run ended.
func (g *ledger) restore(q *journal.Queue) error {
	var items []journal.Item
	for after := journal.Seq(0); ; {
		var err error
		if items, err = q.Read(after, 256, items[:0]); err != nil || len(items) == 0 {
			return err
		}
		for _, it := range items {
			after = it.Seq
			rec, err := mqtt.ViewRecord(it.Data)
			if err != nil || rec.PacketID == 0 {
				q.Ack(it.Seq)
				continue
			}
			g.take(rec.PacketID, it.Seq)
		}
	}
}

func (g *ledger) taken(id uint16) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, ok := g.in[id]
	return ok
}

// release forgets an id, and returns the record that is to be acknowledged, 0 if none is.
func (g *ledger) release(id uint16) (seq journal.Seq) {
	g.mu.Lock()
	defer g.mu.Unlock()
	seq = g.in[id]
	delete(g.in, id)
	return seq
}

const ledgerVersion = 1

var errLedger = errors.New("the QoS 2 ledger in the journal is not readable: messages on their way may be sent twice")

// appendLocked writes version, the out entries (id, state, rule, seq), the in ids.
func (g *ledger) appendLocked(b []byte) []byte {
	b = append(b, ledgerVersion)
	b = binary.AppendUvarint(b, uint64(len(g.out)))
	for id, e := range g.out {
		b = binary.AppendUvarint(b, uint64(id))
		state := byte(e.state)
		if e.stream == live {
			state |= exactLive
		}
		b = append(b, state)
		b = binary.AppendUvarint(b, uint64(e.rule))
		b = binary.AppendUvarint(b, uint64(e.seq))
	}
	b = binary.AppendUvarint(b, uint64(len(g.in)))
	for id := range g.in {
		b = binary.AppendUvarint(b, uint64(id))
	}
	return b
}

func (g *ledger) parse(b []byte) error {
	if len(b) == 0 || b[0] != ledgerVersion {
		return errLedger
	}
	r := varint.NewReader(b[1:])
	for n := r.Number(65535); n > 0 && !r.Failed(); n-- {
		id := uint16(r.Number(65535))
		var e exact
		state := r.Byte()
		if e.state, e.stream = exactState(state&^exactLive), backlog; state&exactLive != 0 {
			e.stream = live
		}
		e.rule = int(r.Number(1 << 15))
		e.seq = journal.Seq(r.Number(1<<63 - 1))
		if !r.Failed() && id != 0 && e.state <= exactDone {
			g.out[id] = e
		}
	}
	for n := r.Number(65535); n > 0 && !r.Failed(); n-- {
		g.in[uint16(r.Number(65535))] = 0
	}
	if !r.Done() {
		clear(g.out)
		clear(g.in)
		return errLedger
	}
	return nil
}
