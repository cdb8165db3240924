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
// bound of what is sent twice after a connection broke; the upstream's receive maximum may
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
	errOffline = errors.New("taken offline by hand")
	errReturn  = errors.New("the first upstream is back")
)

// connection is one connection to the upstream. Three goroutines serve it: run sends, read takes what comes,
// and deliver hands messages to our broker.
type connection struct {
	b    *Bridge
	url  *url.URL
	conn net.Conn
	in   *packetReader

	level     byte
	window    int
	maxPacket int
	maxQoS    byte
	mayRetain bool
	kept      bool // the upstream had our session
	keepAlive time.Duration

	woken chan struct{} // something changed that the sender should look at

	// owned by the sender
	out            outbox
	pub            outgoing
	text           []byte // of a user property
	came           stamper
	throttle       throttle
	flushed        []journal.Seq // leave the spool when out is written: QoS 0, and what no rule sends
	work           [2]work       // by stream: the record that is being sent
	rateWait       time.Duration // until the backlog may send, 0 if it need not wait
	stopping       bool
	stopBy         time.Time
	saidOnline     bool      // said, or to be said when the subscriptions stand
	saidOffline    bool      // said
	repeatOnlineAt time.Time // when online is said a second time; zero: not
	pinged         time.Time // zero: no answer is missing
	wrote          time.Time
	sent2          bool // something at QoS 2

	pingCount uint64 // of count at that time

	mu         sync.Mutex
	flight     flight
	resumed    map[uint16]*slot // QoS 2 of earlier connections, by packet identifier
	before     map[beforeKey]exactState
	loaded     journal.Seq         // newest that the backlog stream looked at
	multi      map[journal.Seq]int // publications of a record that are missing, if it has several
	unanswered int                 // SUBSCRIBEs
	subscribed bool                // all of them are answered
	heard      time.Time           // the newest packet
	count      uint64              // packets that came
	progress   time.Time           // the newest acknowledgement
	received2  bool                // a PUBREC
	err        error               // the first thing that went wrong
}

// run serves the connection until it breaks, ctx ends or somebody cuts it.
func (c *connection) run(ctx context.Context, urlNumber int) error {
	b := c.b
	inbound := make(chan arrival, inboundMax)
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(inbound)
		c.fail(c.read(inner, inbound))
	})
	wg.Go(func() { c.deliver(inner, inbound) })

	better := make(chan struct{})
	if wait := b.probeWait(urlNumber); wait > 0 {
		wg.Go(func() { b.probeFirst(inner, wait, better) })
	}
	b.newest.begin()
	b.connected(c.url)
	err := c.send(ctx, better)
	b.newest.end()
	cancel()
	c.conn.Close()
	wg.Wait()
	b.packets = c.flight.next
	b.inFlight.Store(0)
	b.gaps.notReported()
	return err
}

// fail notes the first error and wakes the sender.
func (c *connection) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	c.mu.Unlock()
	c.wake()
}

func (c *connection) wake() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// send is the sender: it writes what there is to write, then waits for more.
func (c *connection) send(ctx context.Context, better <-chan struct{}) error {
	now := time.Now()
	c.wrote, c.progress = now, now
	c.subscribe()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	done := ctx.Done()
	for {
		now = time.Now()
		if err := c.check(now); err != nil {
			return err
		}
		if c.stopping && c.finished(now) {
			return c.disconnect()
		}
		c.encode(now)
		if len(c.out.ready) > 0 || len(c.flushed) > 0 {
			if err := c.flush(); err != nil {
				return err
			}
			continue
		}
		timer.Reset(c.sleep(now))
		offline, offlineChanged := c.b.isOffline()
		if offline {
			return errOffline
		}
		select {
		case <-c.b.opt.Queue.Wake():
		case <-c.woken:
		case <-c.b.ledger.wake:
		case <-c.b.newest.wake:
		case <-timer.C:
		case <-offlineChanged:
		case <-better:
			if err := c.disconnect(); err != nil {
				return err
			}
			return errReturn
		case <-done:
			done = nil
			c.stop()
		}
	}
}

// encode fills out with what may go now: answers first, then what is live, then the
// backlog at its rate.
func (c *connection) encode(now time.Time) {
	b := c.b
	c.mu.Lock()
	subscribed, idle := c.subscribed, c.flight.count == 0
	c.mu.Unlock()
	c.presence(subscribed, now)
	c.reportGap()
	c.announce(now)
	c.rateWait = 0
	if b.streams.ahead {
		c.sendBacklog(now)
	}
	if !b.streams.ahead || b.streams.backlog.drained() {
		c.sendStream(&b.streams.live, live, c.window, now)
		c.sendBacklog(now)
	}
	if b.streams.backlog.drained() && idle {
		b.retainedLive.clear()
	} else {
		b.retainedLive.save()
	}
	c.out.settle(now)
	b.gaps.save(now)
}

func (c *connection) sendBacklog(now time.Time) {
	if !c.stopping {
		c.sendStream(&c.b.streams.backlog, backlog, min(c.window-c.window/4, windowBacklog), now)
	}
}

// flush writes out. What needs no acknowledgement then leaves the spool.
func (c *connection) flush() error {
	for rest := c.out.ready; len(rest) > 0; {
		// In pieces, so that a slow line that moves at all does not look dead.
		n := min(len(rest), 16<<10)
		c.conn.SetWriteDeadline(time.Now().Add(c.b.quiet))
		if _, err := c.conn.Write(rest[:n]); err != nil {
			return c.reason(noTimeout(err))
		}
		rest = rest[n:]
		c.wrote = time.Now()
	}
	c.out.clear()
	if len(c.flushed) > 0 {
		c.b.opt.Queue.Ack(c.flushed...)
		c.flushed = c.flushed[:0]
	}
	return nil
}

// reason prefers what the reader heard over what the writer felt: "session taken over"
// tells more than "broken pipe".
func (c *connection) reason(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	return err
}

// subscribe asks for what the rules fetch. Without such rules all stands at once.
func (c *connection) subscribe() {
	subs := c.b.rules.subscriptions(c.level)
	c.subscribed = len(subs) == 0
	for n := 0; len(subs) > 0; n++ {
		group := subs[:min(len(subs), subscribeMax)]
		subs = subs[len(group):]
		c.unanswered++
		c.out.subscribe(mqtt.Subscribe{ID: uint16(subscribeID - n), Filters: group})
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
func (c *connection) stop() {
	c.stopping = true
	c.stopBy = time.Now().Add(stopGrace)
}

// stopGrace bounds the wait for acknowledgements at the end.
const stopGrace = 2 * time.Second

// finished reports whether all that is to be said has been said.
func (c *connection) finished(now time.Time) bool {
	c.mu.Lock()
	idle := c.flight.count == 0
	c.mu.Unlock()
	if _, waiting, _ := c.b.streams.live.peek(); waiting {
		idle = false
	}
	if !idle && now.Before(c.stopBy) {
		return false
	}
	if c.saidOffline || !c.saidOnline || !c.room(c.window) {
		return true
	}
	c.saidOffline = true
	c.stopBy = now.Add(stopGrace)
	last := c.b.opt.Status.Offline
	if c.b.opt.Status.Stopped != "" {
		last = c.b.opt.Status.Stopped
	}
	c.publishPresence(last)
	return false
}

// disconnect ends the connection so that the upstream forgets our will [MQTT-3.14.4-3].
func (c *connection) disconnect() error {
	c.out.disconnect()
	return c.flush()
}
