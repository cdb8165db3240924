package bridge

import (
	"context"
	"flag"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/disk/crashdisk"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/timing"
)

var (
	simSeeds = flag.Int("sim.seeds", 20, "seeds of the bridge simulation")
	simFirst = flag.Uint64("sim.first", 1, "the first seed")
	simDays  = flag.Int("sim.days", 10, "virtual days per seed; on a real journal a day has far more events than it had on one in memory")
)

// TestSimulation lets a bridge live through days with an upstream that does
// everything wrong, and with a power switch that somebody plays with. Nothing may be
// lost, the order holds, and what is retained is the newest.
func TestSimulation(t *testing.T) {
	t.Parallel()
	seeds, days := *simSeeds, *simDays
	if testing.Short() || timing.Race {
		seeds, days = min(seeds, 4), min(days, 5) // make bridgesim runs all of it
	}
	for i := range seeds {
		seed := *simFirst + uint64(i)
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { newSim(t, seed).run(time.Duration(days) * 24 * time.Hour) })
		})
	}
}

// The journal stands on a disk that loses at a power cut what was not synced, and whose
// syncs take their time: milliseconds as a rule, now and then longer than a reconnect.
type sim struct {
	t     *testing.T
	seed  uint64
	rng   *rand.Rand
	up    *simUpstream
	disk  *crashdisk.Disk
	g     *gateway
	opt   Options
	stop  func()
	sent  map[string][]*simMessage // by topic, in order
	n     int
	kills int
	came  map[string]bool // commands that our broker got
}

// simMessage is a message for the spool. Before the journal has it on disk, a power cut may
// take it; nobody was promised it.
type simMessage struct {
	payload   string
	retain    bool
	confirmed atomic.Bool
}

// Committed is called by the journal.
func (m *simMessage) Committed(_ uint64, err error) { m.confirmed.Store(err == nil) }

func newSim(t *testing.T, seed uint64) *sim {
	s := &sim{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), sent: map[string][]*simMessage{}, came: map[string]bool{}}
	s.opt = Options{
		Name: "up", Node: "sim", ClientID: "sim-up", URLs: []string{"mqtt://up"}, Protocol: "5",
		Status: Status{Topic: "status", Online: "online", Offline: "offline"},
		Rules: []Rule{
			{Out: true, Local: "one/+", Remote: "one/+", QoS: 1, Retain: true},
			{Out: true, Local: "two/+", Remote: "two/+", QoS: 2, Retain: true},
			{Out: true, Local: "both/+", Remote: "first/+", QoS: 2},
			{Out: true, Local: "both/+", Remote: "second/+", QoS: 1},
			{In: true, Local: "cmd/#", Remote: "cmd/#", QoS: 1, Queue: true},
		},
	}
	level := byte(mqtt.Level5)
	if seed%2 == 0 {
		level, s.opt.Protocol = mqtt.Level311, "3.1.1"
		s.opt.Late.Topic = "late/"
	}
	if seed%3 > 0 {
		s.opt.Backlog.Messages = []float64{50, 1}[seed%3-1]
	}
	s.opt.InOrder = seed%5 == 0
	s.up = newSimUpstream(seed, level)
	s.disk = crashdisk.New(rand.New(rand.NewPCG(seed, 3)))
	slow := rand.New(rand.NewPCG(seed, 5))
	s.disk.SyncTime = func() time.Duration {
		if slow.IntN(50) == 0 {
			return time.Duration(slow.IntN(5000)) * time.Millisecond
		}
		return time.Duration(1+slow.IntN(40)) * time.Millisecond
	}
	return s
}

func (s *sim) run(length time.Duration) {
	s.start()
	end := time.Now().Add(length)
	for time.Now().Before(end) {
		time.Sleep(time.Duration(s.rng.ExpFloat64() * float64(10*time.Minute)))
		for range 1 + s.rng.IntN(8) {
			s.publish()
		}
		switch s.rng.IntN(150) {
		case 0, 1:
			s.cutPower()
		case 2:
			s.stop()
			s.start()
		case 3, 4, 5, 6:
			s.up.command(strconv.Itoa(s.n))
		case 7, 8:
			s.up.drop() // and the bridge comes back at once, maybe within the sync
		}
	}
	s.settle()
	s.check()
	s.stop()
	s.collect()
	s.up.conns.Wait()
	for _, o := range s.up.down {
		if o.acked && !s.came[o.payload] {
			s.t.Errorf("seed %d: command %s was acknowledged, but our broker never got it", s.seed, o.payload)
		}
	}
	if got := s.up.retained["status"]; got != "offline" {
		s.t.Errorf("after a clean stop the upstream says %q", got)
	}
}

func (s *sim) start() {
	s.collect()
	j, err := journal.Open(journal.Options{Dir: "d", FS: s.disk, SegmentSize: 64 << 10, Size: 64 << 20, FreeFloor: -1})
	if err != nil {
		s.t.Fatalf("seed %d: the store does not open: %v", s.seed, err)
	}
	if d := j.Stats().Damaged; d > 0 {
		s.t.Errorf("seed %d: %d frames reported damaged, and none was", s.seed, d)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- j.Run(ctx) }()
	s.opt.Store = j
	s.g = newGatewayOn(s.t, j, s.opt)
	s.g.bridge.dial = s.up.dial
	if s.seed%4 != 0 {
		// Else nearly all of a month is pings.
		s.g.bridge.quiet = 10 * time.Minute
	}
	s.g.local = make(chan mqtt.Message, 10000)
	stop := s.g.run()
	s.stop = func() {
		stop()
		cancel()
		<-ended
	}
}

// collect notes the commands that came down to the gateway of this run.
func (s *sim) collect() {
	for s.g != nil && len(s.g.local) > 0 {
		s.came[string((<-s.g.local).Payload)] = true
	}
}

// cutPower ends everything at some operation of the disk from now: nothing is finished,
// nothing is said, and what was not synced may be gone.
func (s *sim) cutPower() {
	s.kills++
	s.disk.PowerOffAfter(s.rng.IntN(8))
	for n := 0; !s.disk.IsOff() && n < 20; n++ {
		if s.rng.IntN(3) == 0 {
			s.up.drop()
		}
		s.publish()
		time.Sleep(time.Duration(s.rng.IntN(2000)) * time.Millisecond)
	}
	s.g.bridge.SetOffline(true)
	s.disk.PowerOffAfter(0)
	s.stop()
	s.disk.Cut()
	s.start()
}

func (s *sim) publish() {
	topic := []string{"one/a", "one/b", "two/a", "two/b", "both/a"}[s.rng.IntN(5)]
	s.n++
	payload := strconv.Itoa(s.n)
	sent := &simMessage{payload: payload, retain: s.rng.IntN(4) == 0}
	s.sent[topic] = append(s.sent[topic], sent)
	m := mqtt.Message{Topic: topic, Payload: []byte(payload), QoS: 1, Retain: sent.retain, Time: time.Now()}
	if s.rng.IntN(20) == 0 { // the clock jumps
		m.Time = m.Time.Add(time.Duration(s.rng.IntN(20)-10) * 365 * 24 * time.Hour)
	}
	s.g.sendFor(m, sent)
}

// settle ends the faults and waits until the spool is empty.
func (s *sim) settle() {
	s.up.mu.Lock()
	s.up.calm = true
	s.up.mu.Unlock()
	deadline := time.Now().Add(48 * time.Hour)
	for s.g.bridge.Status().Waiting > 0 || !s.g.bridge.Status().Connected {
		if time.Now().After(deadline) {
			s.t.Errorf("two days without faults and still not done: %+v", s.g.bridge.Status())
			return
		}
		time.Sleep(time.Minute)
	}
	time.Sleep(time.Minute)
}

func (s *sim) check() {
	u := s.up
	u.mu.Lock()
	defer u.mu.Unlock()
	remote := map[string][]string{"both/a": {"first/a", "second/a"}}
	seen := map[string]map[string]int{}
	lastLive, lastLate := map[string]int{}, map[string]int{}
	for _, r := range u.receipts {
		if r.topic == "status" || strings.HasSuffix(r.topic, "/gap") {
			continue
		}
		if seen[r.topic] == nil {
			seen[r.topic] = map[string]int{}
		}
		seen[r.topic][r.payload]++
		n, err := strconv.Atoi(r.payload)
		if err != nil {
			s.t.Fatalf("received what was never sent: %+v", r)
		}
		if seen[r.topic][r.payload] > 1 {
			continue
		}
		last := lastLive
		if r.late {
			last = lastLate
		}
		if n < last[r.topic] {
			s.t.Errorf("seed %d: %s: %d came first after %d (late %v)", s.seed, r.topic, n, last[r.topic], r.late)
		}
		last[r.topic] = n
	}
	doubled := 0
	for topic, messages := range s.sent {
		names := remote[topic]
		if names == nil {
			names = []string{topic}
		}
		retained := ""
		for _, name := range names {
			for _, m := range messages {
				n := seen[name][m.payload]
				switch {
				case n == 0 && m.confirmed.Load():
					s.t.Errorf("seed %d: %s %s was lost", s.seed, name, m.payload)
				case n > 1 && (strings.HasPrefix(name, "two/") || strings.HasPrefix(name, "first/")):
					doubled += n - 1
				}
				if n > 0 && m.retain {
					retained = m.payload
				}
			}
		}
		if topic != "both/a" && u.retained[topic] != retained {
			s.t.Errorf("seed %d: %s: retained is %s, want the newest %s", s.seed, topic, u.retained[topic], retained)
		}
	}
	if doubled > u.lost*windowMax || u.lost == 0 && doubled > 0 {
		s.t.Errorf("seed %d: %d QoS 2 messages came twice, with %d lost sessions", s.seed, doubled, u.lost)
	}
	if got := u.retained["status"]; got != "online" {
		s.t.Errorf("seed %d: connected, but the status says %q", s.seed, got)
	}
	st := s.g.bridge.Status()
	if st.Dropped != 0 {
		s.t.Errorf("seed %d: %d dropped", s.seed, st.Dropped)
	}
	s.t.Logf("seed %d: %d messages, %d receipts, %d kills, faults %v", s.seed, s.n, len(u.receipts), s.kills, u.faults)
}
