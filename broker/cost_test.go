package broker

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"sensorgate/broker/permissions"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/timing"
)

// path sends publications through real sockets and the event loop to one subscriber; the
// clients on both ends allocate nothing.
type path struct {
	tb            testing.TB
	sub, pub      *client
	out, acks     []byte
	buf           []byte
	qos           byte
	idAt, packets int
}

func newPath(tb testing.TB, level, qos byte) *path {
	br := start(tb)
	p := &path{tb: tb, qos: qos, packets: 100, buf: make([]byte, 64<<10)}
	p.sub = connect(tb, br, level, "sub")
	p.sub.subscribe("a/b", qos)
	p.pub = connect(tb, br, level, "pub")
	for i := range p.packets {
		p.out = mqtt.AppendPublish(p.out, level, qos<<1, "a/b", uint16(i+1), nil, make([]byte, 256))
	}
	p.idAt = idOffset(p.out[:len(p.out)/p.packets], len("a/b"))
	for range 20 { // until buffers have their size
		p.round()
	}
	return p
}

// round is a hundred messages, with all their acknowledgements.
func (p *path) round() {
	p.write(p.pub, p.out)
	p.read(p.sub, len(p.out))
	if p.qos == 0 {
		return
	}
	p.acks = p.acks[:0]
	for i := range p.packets {
		m := p.buf[i*len(p.out)/p.packets:]
		p.acks = append(p.acks, byte(mqtt.PUBACK)<<4, 2, m[p.idAt], m[p.idAt+1])
	}
	p.write(p.sub, p.acks)
	p.read(p.pub, 4*p.packets)
}

func (p *path) write(c *client, b []byte) {
	if _, err := c.nc.Write(b); err != nil {
		p.tb.Fatal(err)
	}
}

func (p *path) read(c *client, n int) {
	for got := 0; got < n; {
		m, err := c.nc.Read(p.buf[got:n])
		if err != nil {
			p.tb.Fatal(err)
		}
		got += m
	}
}

func benchPath(b *testing.B, level, qos byte) {
	p := newPath(b, level, qos)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		p.round()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(p.packets), "ns/message")
}

func BenchmarkPathQoS0(b *testing.B)  { benchPath(b, mqtt.Level311, 0) }
func BenchmarkPathQoS1(b *testing.B)  { benchPath(b, mqtt.Level311, 1) }
func BenchmarkPath5QoS0(b *testing.B) { benchPath(b, mqtt.Level5, 0) }
func BenchmarkPath5QoS1(b *testing.B) { benchPath(b, mqtt.Level5, 1) }

// TestNoAllocationPerMessage: from socket to socket, QoS 0 and 1, to a connected
// subscriber. What the runtime and the pools allocate now and then must stay far below
// one per message.
func TestNoAllocationPerMessage(t *testing.T) {
	for _, level := range []byte{mqtt.Level311, mqtt.Level5} {
		for qos := byte(0); qos <= 1; qos++ {
			p := newPath(t, level, qos)
			const rounds = 50
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range rounds {
				p.round()
			}
			runtime.ReadMemStats(&after)
			if per := float64(after.Mallocs-before.Mallocs) / float64(rounds*p.packets); per > 0.2 {
				t.Errorf("level %d QoS %d: %.2f allocations per message", level, qos, per)
			}
		}
	}
}

// subscribed returns a broker with n subscriptions, one of which is for site/5/x/5.
func subscribed(tb testing.TB, n int) *worker {
	br := create(tb)
	for i := range n {
		s := &session{b: br, id: fmt.Sprint("s", i/1000)}
		s.who.Store(&permissions.Identity{})
		br.subs.Add(&subscription{Subscription: mqtt.Subscription{Filter: fmt.Sprintf("site/%d/+/%d", i%100, i)}, Subscriber: subscriber{session: s}})
	}
	w := newWorker(br)
	w.begin()
	return w
}

// publishOne publishes once; forget has the worker look the route up again.
func publishOne(w *worker, forget bool) {
	if forget {
		clear(w.routes)
	}
	p := &w.pub
	*p = publication{route: w.routeString("site/5/x/5"), payload: []byte("x"), at: w.now}
	w.publish(p, nil, 0)
}

func benchSubscriptions(b *testing.B, n int, forget bool) {
	w := subscribed(b, n)
	b.ResetTimer()
	for range b.N {
		publishOne(w, forget)
	}
}

func BenchmarkSubscriptions100(b *testing.B)            { benchSubscriptions(b, 100, false) }
func BenchmarkSubscriptions100000(b *testing.B)         { benchSubscriptions(b, 100_000, false) }
func BenchmarkSubscriptions100NewTopic(b *testing.B)    { benchSubscriptions(b, 100, true) }
func BenchmarkSubscriptions100000NewTopic(b *testing.B) { benchSubscriptions(b, 100_000, true) }

// TestManySubscriptionsCostNoMore: to publish to 1 of 100,000 subscriptions costs at most
// twice as much as to 1 of 100, whether the topic was published to before or not.
func TestManySubscriptionsCostNoMore(t *testing.T) {
	timing.Judged(t)
	few, many := subscribed(t, 100), subscribed(t, 100_000)
	for name, forget := range map[string]bool{"topic known": false, "topic new": true} {
		best := map[*worker]time.Duration{few: time.Hour, many: time.Hour}
		for range 20 { // in turn, so that a busy machine is busy for both
			for w := range best {
				begin := time.Now()
				for range 2000 {
					publishOne(w, forget)
				}
				best[w] = min(best[w], time.Since(begin)/2000)
			}
		}
		t.Logf("%s: 1 of 100 subscriptions %v, 1 of 100,000 %v", name, best[few], best[many])
		if best[many] > 2*best[few] {
			t.Errorf("%s: 1 of 100 subscriptions costs %v, 1 of 100,000 %v", name, best[few], best[many])
		}
	}
}

// resident is the memory of this process in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	pages, _ := strconv.ParseInt(strings.Fields(string(data))[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// heapNow is what is in use after a collection.
func heapNow() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// TestIdleConnections: an idle connection costs less than 8 KB. The clients are raw file
// descriptors here, so that only the broker's side is measured.
func TestIdleConnections(t *testing.T) {
	const n = 400
	b := start(t)
	connect(t, b, mqtt.Level311, "first")
	conns := make([]net.Conn, 0, n)
	before := heapNow()
	for i := range n {
		nc, err := net.Dial("tcp", b.Addrs()[0].String())
		if err != nil {
			t.Skip("not enough file descriptors:", err)
		}
		defer nc.Close()
		conns = append(conns, nc)
		_, _ = nc.Write(mqtt.AppendConnect(nil, &mqtt.Connect{Level: 4, ClientID: fmt.Sprint("idle", i), CleanStart: true}))
		if _, err := nc.Read(make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
	}
	each := (heapNow() - before) / n
	t.Logf("%d bytes per idle connection, both ends in this process", each)
	if each > 8<<10 {
		t.Errorf("%d bytes per idle connection, want at most 8 KB", each)
	}
	runtime.KeepAlive(conns)
}

// TestHalfOpenConnections: sockets that say nothing are bounded, and push out only their
// own kind (CVE-2017-7651, CVE-2023-0809).
func TestHalfOpenConnections(t *testing.T) {
	n := 2000
	if testing.Short() {
		n = 1100
	}
	b := start(t)
	good := connect(t, b, mqtt.Level311, "good")
	good.subscribe("a", 1)
	before := resident(t)
	var open []net.Conn
	defer func() {
		for _, nc := range open {
			_ = nc.Close()
		}
	}()
	for range n {
		nc, err := net.Dial("tcp", b.Addrs()[0].String())
		if err != nil {
			t.Skip("not enough file descriptors:", err)
		}
		_, _ = nc.Write([]byte{0x10})
		open = append(open, nc)
	}
	good.publish("a", "x", 1, 1)
	if m, _ := good.messageAnd(mqtt.PUBACK); string(m.Payload) != "x" {
		t.Error("a known client is not served")
	}
	connect(t, b, mqtt.Level311, "new").disconnect() // and a new one gets in
	b.waiting.mu.Lock()
	waiting := b.waiting.list.Len()
	b.waiting.mu.Unlock()
	if waiting > maxWaiting {
		t.Errorf("%d connections wait for their CONNECT, want at most %d", waiting, maxWaiting)
	}
	// The oldest was closed.
	_ = open[0].SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := open[0].Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("the oldest one is still open: %v", err)
	}
	if grown := resident(t) - before; grown > 32<<20 && !timing.Race {
		t.Errorf("%d half-open sockets cost %d MB", n, grown>>20)
	}
}

// TestReadyAtOnce: accepting within 20 ms of start.
func TestReadyAtOnce(t *testing.T) {
	timing.Judged(t)
	best := time.Hour
	for range 3 {
		begin := time.Now()
		b := create(t)
		stop := run(t, b)
		best = min(best, time.Since(begin))
		stop()
	}
	if best > 20*time.Millisecond {
		t.Errorf("ready after %v, want 20 ms", best)
	}
}
