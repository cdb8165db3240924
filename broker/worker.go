package broker

import (
	"errors"
	"runtime"
	"time"

	"sensorgate/broker/budget"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// encode returns the publication as a packet for the level, with or without packet id;
// it is made once and serves all receivers.
func (w *worker) encode(p *publication, level, qos byte) *encoding {
	i := encodingIndex(level, qos)
	e := &p.enc[i]
	if e.frame != nil {
		return e
	}
	props := p.props
	if level == mqtt.Level5 && p.hasExpiry {
		w.scratch = append(mqtt.AppendExpiry(w.scratch[:0], p.left(w.now)), p.props...)
		props = w.scratch
	}
	w.encoded[i] = mqtt.AppendPublish(w.encoded[i][:0], level, qos<<1, p.route.topic, 0, props, p.payload)
	e.frame = w.encoded[i]
	e.idAt = idOffset(e.frame, len(p.route.topic))
	if cap(w.encoded[i]) > 64<<10 {
		w.encoded[i] = nil // one big message must not be held forever
	}
	return e
}

// worker is what a goroutine needs to carry messages: the routes it knows, and what it
// has begun in this batch of packets and finishes at its end: records for the journal,
// and sessions whose output is to be flushed once.
//
// One goroutine uses a worker at a time.
type worker struct {
	b                   *Broker
	routes              map[string]*route
	routeFee            int64     // bytes that are charged for them
	pressure            uint64    // refusals of the budget that were seen
	now                 time.Time // of this batch
	until               time.Time // end of the turn that the connection at hand has; zero: none
	at                  *conn     // whose packets an event loop handles; nil elsewhere
	routing             *conn     // whose last PUBLISH waits for its route; nil: nobody's
	onLoop              bool      // an event loop uses it
	unrested, rests     int       // bytes since rest gave the processor away, and how often it did
	spent               bool      // the turn has had its time: what may be costly waits for the mail
	costly              bool      // something was, in this turn: the next waits for another one
	work                int       // done since the last look at the clock, see workPerLook
	batch               int       // publications in it
	behind, behindKnown bool      // the journal is too far behind, in this batch

	frame        mqtt.Frame   // of the packet at hand
	in           mqtt.Publish // the same, if it is one
	pub          publication
	waitingRoute route     // of the message that is taken from a backlog
	encoded      [4][]byte // memory of pub.enc
	props        []byte    // memory of pub.props
	scratch      []byte

	touched []*session

	// What of the batch goes to the journal.
	records []journal.Record
	waiting []waitingRecord
	queues  []*journal.Queue
	targets []target
	data    []byte
	unused  [][]byte // buffers that nobody needs when the batch is in the journal

	items []journal.Item
	done  []journal.Seq
}

// workPerLook is how much work is done between two looks at the clock: a look costs as
// much as a tenth of a short message. The unit is what an acknowledgement costs.
const (
	workPerLook  = 256
	workOfTarget = 2 // a message to one more subscriber
	workOfMatch  = 1 // one more subscription that matches a topic
)

// maxRoutes bounds the topics a worker remembers.
const maxRoutes = 4096

func newWorker(b *Broker) *worker {
	return &worker{b: b, routes: map[string]*route{}}
}

// worker returns one that nobody uses, to be returned with release.
func (b *Broker) worker() *worker {
	var w *worker
	select {
	case w = <-b.idleWorkers:
	default:
		w = newWorker(b)
	}
	w.begin()
	return w
}

// maxIdleWorkers bounds how many are kept for later, with the routes they know.
const maxIdleWorkers = 16

func (w *worker) release() {
	w.finish()
	w.forgetPackets()
	w.forgetMemory()
	select {
	case w.b.idleWorkers <- w:
	default:
		w.forgetRoutes()
	}
}

// forgetPackets releases the input that the last packets stood in: its connection has another
// buffer by the next batch.
func (w *worker) forgetPackets() { w.frame, w.in, w.pub = mqtt.Frame{}, mqtt.Publish{}, publication{} }

// What an idle worker keeps for the next batch, at most: entries of a list and bytes of a buffer.
const (
	keptEntries = 256
	keptBytes   = 16 << 10
)

// forgetMemory gives up what a large batch has made: a batch of short messages needs megabytes.
func (w *worker) forgetMemory() {
	w.touched, w.records, w.waiting = kept(w.touched, keptEntries), kept(w.records, keptEntries), kept(w.waiting, keptEntries)
	w.queues, w.targets, w.items = kept(w.queues, keptEntries), kept(w.targets, keptEntries), kept(w.items, keptEntries)
	w.done, w.unused = kept(w.done, keptEntries), kept(w.unused, keptEntries)
	w.data, w.props, w.scratch = kept(w.data, keptBytes), kept(w.props, keptBytes), kept(w.scratch, keptBytes)
	for i := range w.encoded {
		w.encoded[i] = kept(w.encoded[i], keptBytes)
	}
}

// kept returns the memory of a list, or nil if it is more than enough.
func kept[T any](list []T, most int) []T {
	if cap(list) > most {
		return nil
	}
	return list
}

// mustNotWait reports that the journal is too far behind for an event loop, which asks
// once per batch. Others wait for the disk.
func (w *worker) mustNotWait() bool {
	if w.until.IsZero() {
		return false
	}
	if !w.behindKnown {
		w.behindKnown, w.behind = true, w.b.journal.Behind()
	}
	return w.behind
}

// rest is called beside the event loops after each piece of work that cost as much as to copy
// so many bytes: after some the loops, which others wait for, have the processor first. No lock
// is held.
func (w *worker) rest(bytes int) {
	if !w.onLoop {
		w.restBeside(bytes)
	}
}

func (w *worker) restBeside(bytes int) {
	if w.unrested += bytes; w.unrested >= fanOutSlice {
		w.unrested = 0
		w.rests++
		runtime.Gosched()
	}
}

// turnIsOver reports whether the connection at hand has had its share of the loop.
func (w *worker) turnIsOver() bool { return !w.until.IsZero() && time.Now().After(w.until) }

// timeIsUp is turnIsOver, asked when some work was done since the clock was read.
func (w *worker) timeIsUp() bool {
	if w.work < workPerLook {
		return false
	}
	w.work = 0
	return w.turnIsOver()
}

// begin starts a batch. When somebody was refused memory since, a large table of routes
// is given up for it.
func (w *worker) begin() {
	w.now = time.Now()
	w.behindKnown, w.costly = false, false
	if p := w.b.memory.Pressure(); p != w.pressure {
		w.pressure = p
		if w.routeFee > 64<<10 {
			w.forgetRoutes()
		}
	}
}

// finish ends a batch: what it began is done when it returns, but for the
// acknowledgements that wait for the disk.
func (w *worker) finish() {
	w.commit()
	for i, s := range w.touched {
		w.rest(flushCost + s.flush(w))
		w.touched[i] = nil
	}
	w.touched = w.touched[:0]
}

// flushSlice is how many bytes are written between two looks at the clock, with what a
// system call costs beside its bytes.
const (
	flushSlice = 128 << 10
	flushCost  = 4 << 10
)

// shortOutput is what a client may wait for in a turn that writes to many before those who
// get more.
const shortOutput = 8 << 10

// flushSome is finish for a loop with other things to do: what is not written after the limit,
// but for the first slice, is written in the next turn. A short output goes before long ones:
// an answer does not wait behind a megabyte to each of many.
func (w *worker) flushSome(limit time.Duration) {
	w.commit()
	if len(w.touched) == 0 {
		return
	}
	until := time.Now().Add(limit)
	if len(w.touched) > 1 {
		w.flushUntil(until.Add(-limit/2), func(s *session) (int, bool) { return s.flushShort(w) })
	}
	w.flushUntil(until, func(s *session) (int, bool) { return s.flush(w), true })
}

// flushShort is flush, unless the output is long; done reports that it was not.
func (s *session) flushShort(w *worker) (bytes int, done bool) {
	s.mu.Lock()
	long := s.conn != nil && s.conn.waiting() > shortOutput
	s.mu.Unlock()
	if long {
		return 0, false
	}
	return s.flush(w), true
}

// flushUntil flushes what is touched, slice by slice, until the time is over. Whoever is not
// flushed then, or because flush does not want to, stays in the list.
func (w *worker) flushUntil(until time.Time, flush func(s *session) (bytes int, done bool)) {
	left := w.touched[:0]
	work := 0
	for i, s := range w.touched {
		bytes, done := flush(s)
		if !done {
			left = append(left, s)
			continue
		}
		if work += flushCost + bytes; work < flushSlice {
			continue
		}
		if work = 0; time.Now().After(until) {
			left = append(left, w.touched[i+1:]...)
			break
		}
	}
	clear(w.touched[len(left):])
	w.touched = left
}

func (w *worker) routeString(topic string) *route {
	if r := w.routes[topic]; w.isCurrent(r) {
		return r
	}
	return w.newRoute(topic)
}

// newRoute begins to work a route out, and remembers it if that is all.
func (w *worker) newRoute(topic string) *route {
	r := w.b.routeFor(topic)
	w.work += workOfMatch * r.matched
	if r.rest == nil {
		w.remember(r)
	}
	return r
}

// finishRoute works the rest of a route out. It is for workers beside the event loops.
func (w *worker) finishRoute(r *route) {
	for r.rest != nil {
		if r.goOn() {
			w.remember(r)
		}
		w.rest(fanOutSlice)
	}
}

// remember keeps a finished route for the next message to its topic.
func (w *worker) remember(r *route) {
	// A topic that nobody can publish to is not worth remembering, and one that is old already.
	if r.err != nil || !w.isCurrent(r) {
		return
	}
	topic := r.topic
	fee := r.cost()
	limit := w.b.memory.Limit() / 64
	if old := w.routes[topic]; old != nil {
		w.b.own.Release(budget.Routes, old.fee)
		w.routeFee -= old.fee
		delete(w.routes, topic)
	}
	if len(w.routes) >= maxRoutes || w.routeFee+fee > limit {
		w.forgetRoutes()
	}
	if fee <= limit && w.b.own.Charge(budget.Routes, fee) {
		r.fee = fee
		w.routeFee += fee
		w.routes[topic] = r
	}
}

func (w *worker) forgetRoutes() {
	w.routes = map[string]*route{}
	w.b.own.Release(budget.Routes, w.routeFee)
	w.routeFee = 0
}

// errTurn stops the input before a packet that may cost more than is left of the turn.
var errTurn = errors.New("the turn is over")

// cheapRoute is how many subscriptions may match a topic whose route is worked out in a turn
// that is spent.
const cheapRoute = 256

// workOut is newRoute for a PUBLISH: one that may be costly waits for another turn when this
// one is spent, and one that takes several turns until no other does: what is looked at of it
// meanwhile takes memory. known is what is remembered of the topic, perhaps nil.
func (w *worker) workOut(known *route, topic string) (*route, error) {
	if (known == nil || known.matched > cheapRoute) && w.isSpent() || known != nil && known.matched > routeSlice && w.at != nil && w.routing != nil {
		return nil, errTurn
	}
	r := w.newRoute(topic)
	w.costly = w.costly || r.matched > cheapRoute
	if r.rest != nil && w.at != nil && w.routing != nil {
		return nil, errTurn
	}
	return r, nil
}

// isSpent reports whether what is costly has to wait for another turn.
func (w *worker) isSpent() bool { return (w.spent || w.costly) && w.at != nil }

// isCurrent reports whether r is still where the messages of its topic go.
func (w *worker) isCurrent(r *route) bool { return r != nil && r.generation == w.b.subs.Generation() }

// flushEarly is how much output a batch may gather for one client before it is sent: the
// client gets to work while the rest of the batch is handled, and buffers stay small.
const flushEarly = 128 << 10

// touchLocked notes that s has output to flush. The caller holds s.mu.
func (w *worker) touchLocked(s *session) {
	if !s.dirty {
		s.dirty = true
		w.touched = append(w.touched, s)
	}
	if s.conn.waiting() >= flushEarly {
		s.conn.writer.flushLocked(s.conn)
	}
}
