package bridge

import (
	"context"
	"errors"
	"net"
	"net/url"
	"sync"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// What an upstream may have of ours without having acknowledged it. The window is the
// bound of what is sent twice after a link broke; the upstream's receive maximum may
// make it smaller.
const (
	windowMax      = 512
	windowMaxBytes = 1 << 20

	// MQTT 3.1.1 has no receive maximum to tell us, and yet mosquitto closes the
	// connection at the message that is one too many of QoS 2 (max_inflight_messages,
	// 20 unless configured). What an earlier connection left open counts too, so a
	// larger window would be refused again and again.
	windowExact = 20

	// A backlog that goes as fast as it can leaves room for what is live.
	windowBacklog = 64

	// batchBytes is how much is encoded before it is written.
	batchBytes = 64 << 10
)

var (
	errSilence = errors.New("silence (the line or the upstream is gone without a word)")
	errStalled = errors.New("the upstream answers, but acknowledges nothing")
	errCut     = errors.New("cut by hand")
	errReturn  = errors.New("the first upstream is back")
)

// link is one connection. Three goroutines serve it: run sends, read takes what comes,
// and deliver hands messages to our broker.
type link struct {
	b    *Bridge
	url  *url.URL
	conn net.Conn
	in   *stream

	level     byte
	window    int
	maxPacket int
	maxQoS    byte
	mayRetain bool
	kept      bool // the upstream had our session
	keepAlive time.Duration

	kick chan struct{} // something changed that the sender should look at

	// owned by the sender
	out      []byte
	pub      outgoing
	user     []mqtt.UserProperty
	thin     thinner
	staged   []byte        // packets that wait for the next write of the ledger
	covered  []byte        // packets that wait for the one under way
	covering uint64        // its token, 0 none
	flushed  []journal.Seq // leave the spool when out is written: QoS 0, and what no rule sends
	work     [2]work       // by lane: the record that is being sent
	rateWait time.Duration // until the backlog may send, 0 if it need not wait
	stopping bool
	stopBy   time.Time
	online   bool      // said, or to be said when the subscriptions stand
	offline  bool      // said
	sayAgain time.Time // when online is said a second time; zero: not
	pinged   time.Time // zero: no answer is missing
	wrote    time.Time
	sent2    bool // something at QoS 2

	pingCount uint64 // of count at that time

	mu         sync.Mutex
	flight     flight
	resumed    map[uint16]*slot // QoS 2 of earlier connections, by packet identifier
	before     map[beforeKey]exactState
	loaded     journal.Seq         // newest that the backlog lane looked at
	multi      map[journal.Seq]int // publications of a record that are missing, if it has several
	answers    []byte              // acknowledgements to be written
	exactly    []byte              // those that wait for the ledger
	unanswered int                 // SUBSCRIBEs
	subscribed bool                // all of them are answered
	heard      time.Time           // the newest packet
	count      uint64              // packets that came
	progress   time.Time           // the newest acknowledgement
	received2  bool                // a PUBREC
	err        error               // the first thing that went wrong
}

// run serves the connection until it breaks, ctx ends or somebody cuts it.
func (l *link) run(ctx context.Context, urlNumber int) error {
	b := l.b
	inbound := make(chan arrival, inboundMax)
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(inbound)
		l.fail(l.read(inner, inbound))
	})
	wg.Go(func() { l.deliver(inner, inbound) })

	better := make(chan struct{})
	if wait := b.probeWait(urlNumber); wait > 0 {
		wg.Go(func() { b.probeFirst(inner, wait, better) })
	}
	b.connected(l.url)
	err := l.send(ctx, better)
	cancel()
	l.conn.Close()
	wg.Wait()
	b.packets = l.flight.next
	b.gaps.untold()
	return err
}

// fail notes the first error and wakes the sender.
func (l *link) fail(err error) {
	l.mu.Lock()
	if l.err == nil {
		l.err = err
	}
	l.mu.Unlock()
	l.nudge()
}

func (l *link) nudge() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// send is the sender: it writes what there is to write, then waits for more.
func (l *link) send(ctx context.Context, better <-chan struct{}) error {
	now := time.Now()
	l.wrote, l.progress = now, now
	l.subscribe()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	done := ctx.Done()
	for {
		now = time.Now()
		if err := l.check(now); err != nil {
			return err
		}
		if l.stopping && l.farewell(now) {
			return l.goodbye()
		}
		l.encode(now)
		if len(l.out) > 0 || len(l.flushed) > 0 {
			if err := l.flush(); err != nil {
				return err
			}
			continue
		}
		timer.Reset(l.sleep(now))
		cut, recut := l.b.isCut()
		if cut {
			return errCut
		}
		select {
		case <-l.b.opt.Queue.Wake():
		case <-l.kick:
		case <-l.b.ledger.wake:
		case <-timer.C:
		case <-recut:
		case <-better:
			if err := l.goodbye(); err != nil {
				return err
			}
			return errReturn
		case <-done:
			done = nil
			l.stop()
		}
	}
}

// encode fills out with what may go now: answers first, then what is live, then the
// backlog at its rate.
func (l *link) encode(now time.Time) {
	b := l.b
	l.mu.Lock()
	l.out = append(l.out, l.answers...)
	l.answers = l.answers[:0]
	subscribed, idle := l.subscribed, l.flight.count == 0
	l.mu.Unlock()
	l.presence(subscribed, now)
	l.tellGap()
	l.rateWait = 0
	if b.lanes.ahead {
		l.sendBacklog(now)
	}
	if !b.lanes.ahead || b.lanes.backlog.drained() {
		l.sendLane(&b.lanes.live, live, l.window, now)
		l.sendBacklog(now)
	}
	if b.lanes.backlog.drained() && idle {
		b.newer.clear()
	} else {
		b.newer.save()
	}
	l.settle()
	b.gaps.save(now)
}

func (l *link) sendBacklog(now time.Time) {
	if !l.stopping {
		l.sendLane(&l.b.lanes.backlog, backlog, min(l.window-l.window/4, windowBacklog), now)
	}
}

// flush writes out. What needs no acknowledgement then leaves the spool.
func (l *link) flush() error {
	for rest := l.out; len(rest) > 0; {
		// In pieces, so that a slow line that moves at all does not look dead.
		n := min(len(rest), 16<<10)
		l.conn.SetWriteDeadline(time.Now().Add(l.b.quiet))
		if _, err := l.conn.Write(rest[:n]); err != nil {
			return l.reason(noTimeout(err))
		}
		rest = rest[n:]
		l.wrote = time.Now()
	}
	if cap(l.out) > 4*batchBytes {
		l.out = nil
	}
	l.out = l.out[:0]
	if len(l.flushed) > 0 {
		l.b.opt.Queue.Ack(l.flushed...)
		l.flushed = l.flushed[:0]
	}
	return nil
}

// reason prefers what the reader heard over what the writer felt: "session taken over"
// tells more than "broken pipe".
func (l *link) reason(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	return err
}

// subscribe asks for what the rules fetch. Without such rules all stands at once.
func (l *link) subscribe() {
	subs := l.b.rules.subscriptions(l.level)
	l.subscribed = len(subs) == 0
	for n := 0; len(subs) > 0; n++ {
		group := subs[:min(len(subs), subscribeMax)]
		subs = subs[len(group):]
		l.unanswered++
		l.out = mqtt.AppendSubscribe(l.out, l.level, mqtt.Subscribe{ID: uint16(subscribeID - n), Filters: group})
	}
}

const (
	// subscribeMax is how many filters go into one SUBSCRIBE; AWS takes no more.
	subscribeMax = 8

	// subscribeID is the packet identifier of the first SUBSCRIBE; the others count
	// down. Publications begin at the other end.
	subscribeID = 65535
)

// stop begins the end: what is live and what is on its way is finished, the backlog
// stays in the spool.
func (l *link) stop() {
	l.stopping = true
	l.stopBy = time.Now().Add(stopGrace)
}

// stopGrace bounds the wait for acknowledgements at the end.
const stopGrace = 2 * time.Second

// farewell reports whether all that is to be said has been said.
func (l *link) farewell(now time.Time) bool {
	l.mu.Lock()
	idle := l.flight.count == 0
	l.mu.Unlock()
	if _, waiting, _ := l.b.lanes.live.peek(); waiting {
		idle = false
	}
	if !idle && now.Before(l.stopBy) {
		return false
	}
	if l.offline || !l.online || !l.room(l.window) {
		return true
	}
	l.offline = true
	l.stopBy = now.Add(stopGrace)
	l.sayPresence(l.b.opt.Status.Offline)
	return false
}

// goodbye ends the connection so that the upstream forgets our will [MQTT-3.14.4-3].
func (l *link) goodbye() error {
	l.out = mqtt.AppendDisconnect(l.out, l.level, mqtt.Success, "")
	return l.flush()
}
