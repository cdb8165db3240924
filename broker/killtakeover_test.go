package broker

import (
	"flag"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"sensorgate/internal/disk"
	"sensorgate/internal/mqtt"
)

var kills = flag.Int("kills", 8, "how often TestKillWithTakeOvers kills the broker")

// slowFS has syncs that take as long as those of an SD card.
type slowFS struct {
	disk.FS
	sync time.Duration
}

type slowFile struct {
	disk.File
	sync time.Duration
}

func (s slowFS) OpenFile(name string, flag int) (disk.File, error) {
	f, err := s.FS.OpenFile(name, flag)
	return slowFile{f, s.sync}, err
}

func (f slowFile) Sync() error {
	time.Sleep(f.sync)
	return f.File.Sync()
}

// takeOver begins a new connection while the old one is still open; false if the broker is
// gone.
func (e *exactly) takeOver(addr string) bool {
	e.t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		e.gone = true
		return false
	}
	old := e.nc
	time.AfterFunc(time.Second, func() { _ = old.Close() })
	e.nc, e.in, e.gone, e.left = nc, nil, false, 0
	e.send(mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level311, ClientID: e.id, KeepAlive: 60}))
	f := e.next()
	if f.Raw == nil {
		return false
	}
	if f.Type != mqtt.CONNACK || f.Body[0] != 1 || f.Body[1] != 0 {
		e.t.Errorf("%s: CONNACK % x, want its session", e.id, f.Raw)
	}
	return true
}

// again runs f on connection after connection, each taking over the one before after a few
// packets, until f is done or the broker is gone.
func (e *exactly) again(addr string, rnd *rand.Rand, f func() (done bool)) {
	for {
		e.left = 1 + rnd.IntN(40)
		if f() || !e.takeOver(addr) {
			return
		}
	}
}

// TestKillWithTakeOvers (K8, K17, K18): QoS 2 in both directions, connections that take over
// each other within one sync of 30 ms, and a broker that is killed again and again: nothing is
// lost, doubled or out of order. -kills=200 for the long form.
func TestKillWithTakeOvers(t *testing.T) {
	t.Setenv("SENSORGATE_TEST_SYNC", "30ms")
	dir := t.TempDir()
	rnd := rand.New(rand.NewPCG(8, 17))
	c := startChild(t, dir)
	defer func() { c.kill() }()
	pub, sub := exactPair(t, c.addr)
	var got []int
	var open []outstanding
	held := map[uint16]bool{}
	next, n := 0, 1<<30
	live := func(seed uint64) {
		var both sync.WaitGroup
		both.Go(func() {
			sub.again(c.addr, rand.New(rand.NewPCG(seed, 1)), func() bool { sub.listen(&got, n, held); return len(got) >= n && len(held) == 0 })
		})
		pub.again(c.addr, rand.New(rand.NewPCG(seed, 2)), func() bool { pub.speak(&next, n, &open); return next >= n && len(open) == 0 })
		both.Wait()
	}
	for life := range *kills {
		victim := c.cmd.Process
		killer := time.AfterFunc(time.Duration(30+rnd.IntN(300))*time.Millisecond, func() { _ = victim.Kill() })
		live(uint64(life))
		killer.Stop()
		c.kill()
		c = startChild(t, dir)
		sub.reconnect(c.addr, true)
		pub.reconnect(c.addr, true)
	}
	n = next + 50
	live(uint64(*kills))
	for i, v := range got {
		if v != i {
			t.Fatalf("message %d came when %d was due, of %d", v, i, len(got))
		}
	}
	if len(got) != n {
		t.Errorf("%d messages, want %d", len(got), n)
	}
	t.Logf("%d messages over %d kills", n, *kills)
}

// exactPair connects a publisher and a subscriber of k/+ at QoS 2.
func exactPair(t *testing.T, addr string) (pub, sub *exactly) {
	t.Helper()
	pub, sub = &exactly{t: t, id: "speaker"}, &exactly{t: t, id: "listener"}
	sub.reconnect(addr, false)
	sub.send(mqtt.AppendSubscribe(nil, 4, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: "k/+", QoS: 2}}}))
	if f := sub.next(); f.Type != mqtt.SUBACK {
		t.Fatalf("got %v, want SUBACK", f.Type)
	}
	pub.reconnect(addr, false)
	return pub, sub
}
